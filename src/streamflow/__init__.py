"""Predict the churn of subscription users from monthly CSV drops, and keep every step auditable.

For notebooks and scripts:

>>> import streamflow as sf
>>> with sf.open("churn", trees=50) as installation:
...     print(installation.home.name)
churn

What is public stands in `__all__`, and with its types in `__init__.pyi`. Each name is imported when
it is first used. Everything else is private.
"""

__version__ = "1.0.0"

__all__ = ["Installation", "StreamflowError", "__version__", "errors", "open", "simulate"]

# Public name -> module of this package, and the name in it. None: the module itself.
_LAZY_NAMES = {
    "Installation": ("python_api.installation", "Installation"),
    "StreamflowError": ("errors", "StreamflowError"),
    "errors": ("errors", None),
    "open": ("python_api.installation", "open_installation"),
    "simulate": ("python_api.installation", "simulate"),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `import streamflow` alone takes no time."""
    if name not in _LAZY_NAMES:
        raise AttributeError(f"module 'streamflow' has no attribute {name!r}")
    from importlib import import_module

    module_name, attribute = _LAZY_NAMES[name]
    module = import_module(f"streamflow.{module_name}")
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
