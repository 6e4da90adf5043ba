"""The settings file that `init` writes beside a catalog: what a user is worth is not guessed."""

from __future__ import annotations

SETTINGS_TEXT = """\
# Settings of streamflow. A command reads this file in the folder where it runs. If there is none,
# it reads the one beside the catalog.
#
# What an offer to stay brings and costs. Nobody can guess these numbers: remove the # and write
# your own, the first three together. Until then the threshold is the one of the highest F1, and
# nothing is counted in money.
#
# kept_value = 90.0     # what it is worth when a user stays who would have left, in your currency
# offer_cost = 5.0      # what an offer costs, accepted or not
# offer_success = 0.2   # the probability that an offer keeps a user who would have left
# offer_budget = 1000   # optional: the most that all offers of one drop may cost
"""
