# %% [markdown]
# # Who will leave? A month of work in one notebook
#
# This notebook loads two months of a simulated subscription business, looks at them, trains three
# models, compares them, puts one into Production, and explains its prediction for one user.
#
# It is a Python file with cells. VS Code and PyCharm open it as a notebook; so does Jupyter with
# [jupytext](https://jupytext.readthedocs.io): `jupytext --to notebook docs/notebooks/churn.py`.
# The words that it uses are in the [glossary](../glossary.md), the functions in
# [Python API](../python.md).

# %%
import matplotlib.pyplot as plt
import polars as pl

import streamflow as sf

# %% [markdown]
# ## Load
#
# The simulator writes drops whose reasons to leave are known. `best_aucs` is the AUC of the true
# probabilities, so on average no model can have a higher one.

# %%
drops = sf.simulate("drops", users=500, months=2, seed=7)
drops

# %% [markdown]
# An installation keeps everything: the data, the models, and what was decided. The first drop makes
# it. Each drop is checked as a whole. `snapshot` freezes it: the same rows can be read
# again at any time. `materialize` copies the newest features to the tables that predictions read.

# %%
churn = sf.open("churn-notebook")
for folder, as_of in zip(drops.folders, drops.as_ofs, strict=True):
    churn.ingest(folder, as_of)
    frozen = churn.snapshot(as_of)
churn.materialize()
january, february = drops.as_ofs
frozen

# %% [markdown]
# ## Look
#
# A training set holds the features of one day and the labels that belong to it. A feature is never
# from a later day.

# %%
rows = churn.training_set(january)
rows.frame.head()

# %%
numbers = [name for name in rows.features if rows.frame[name].dtype.is_numeric()]
by_label = rows.frame.group_by(rows.label).agg(pl.col(numbers).mean().round(2)).sort(rows.label)
means = by_label.drop(rows.label)
means.transpose(include_header=True, header_name="mean of", column_names=["stays", "leaves"])

# %%
fee = "monthly_fee"
stays = rows.frame.filter(~pl.col(rows.label))[fee]
leaves = rows.frame.filter(pl.col(rows.label))[fee]
plt.hist([stays, leaves], bins=20, label=["stays", "leaves"], density=True)
plt.xlabel("monthly fee")
plt.ylabel("density of users")
plt.legend()
plt.show()

# %% [markdown]
# Before a model learns these rows: does a column tell the outcome (a leak)? `honesty` checks this.

# %%
churn.honesty(january)

# %% [markdown]
# ## Train three models
#
# Settings such as `model` are arguments. Each training makes a version with a passport: what it was
# made from, and what came out.

# %%
trained = {kind: churn.train(january, model=kind) for kind in ("logistic", "forest", "boosting")}
trained["logistic"]

# %% [markdown]
# ## Compare
#
# The hold-out is the same for all three: a hash of the key decides who is in it. The lines are 95 %
# intervals. With so few users they overlap, so the difference may be chance.

# %%
versions = churn.models()
versions.select("version", "stage", "auc", "auc_low", "auc_high", "f1", "brier")

# %%
for position, receipt in enumerate(trained.values()):
    scores = receipt.metrics
    plt.plot([scores.auc_low, scores.auc_high], [position, position], color="grey")
    plt.plot(scores.auc, position, "o", label=f"version {receipt.version}")
plt.axvline(drops.best_aucs[0], linestyle="--", color="black", label="best possible")
plt.yticks(range(len(trained)), list(trained))
plt.xlabel("AUC on the hold-out")
plt.legend()
plt.show()

# %% [markdown]
# `compare` explains a difference by its causes. Here, nothing but the settings differs.

# %%
churn.compare(trained["logistic"].version, trained["forest"].version)

# %% [markdown]
# ## Gate and promote
#
# Which of them may go into Production? The gate is a list of conditions: can the version be loaded,
# are its probabilities right on average, is it better than the same prediction for every user?
# `gate` shows what the gate would decide, and changes nothing.

# %%
verdicts = {kind: churn.gate(receipt.version) for kind, receipt in trained.items()}
verdicts["forest"]

# %%
conditions = [
    {"kind": kind, "condition": gate.name, "passed": gate.passed, "evidence": gate.evidence}
    for kind, verdict in verdicts.items()
    for gate in verdict.examination.gates
]
pl.DataFrame(conditions).filter(~pl.col("passed"))

# %% [markdown]
# The cell above lists the conditions that are not met. Take the best version of those that pass.
# The first version in Production is compared with no other. After that, a version has to be better
# than the one in Production, on users that neither was trained on. The ledger stores every
# decision, with the reason.

# %%
passing = [kind for kind, verdict in verdicts.items() if not verdict.refused]
best = max(passing, key=lambda kind: trained[kind].metrics.auc)
churn.promote(trained[best].version, why=f"{best}: the best of those that pass")

# %% [markdown]
# ## Explain a user
#
# Score February's users, take the one with the highest probability, and ask why.

# %%
scored = churn.score(february)
answers = churn.scores(scored).sort("probability", descending=True)
answers.head()

# %%
user = answers[rows.key][0]
reasons = churn.explain(user)
reasons

# %%
top = reasons.explanation.top(6)[::-1]
plt.barh([reason.words for reason in top], [reason.contribution for reason in top])
plt.axvline(0, color="black")
plt.xlabel(f"what the feature adds ({reasons.explanation.unit})")
plt.title(f"{user}: probability {reasons.probability:.2f}")
plt.show()

# %% [markdown]
# ## Monitor, and reproduce
#
# Do February's users differ from those that the version was trained on (drift)? And can a version
# be trained again from its recorded inputs, with the same result?

# %%
drift = churn.monitor(february)
drift.verdict

# %%
rebuilt = churn.reproduce(trained["logistic"].version)
rebuilt.result

# %% [markdown]
# Frames are polars frames; `to_pandas()` makes pandas frames of them. At the end, `close` stops the
# database. The data are still there when you open `churn-notebook` again.

# %%
answers.to_pandas().describe()

# %%
churn.close()
