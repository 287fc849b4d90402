import sys
import sysconfig

pass  # import

if sysconfig.get_config_var("Py_GIL_DISABLED"):
    print("gil:", "on" if sys._is_gil_enabled() else "off")
