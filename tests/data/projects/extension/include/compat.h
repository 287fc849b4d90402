/* What older Pythons lack. */
#ifndef TALLY_COMPAT_H
#define TALLY_COMPAT_H

#include <Python.h>

/* New in Python 3.10 */
#if PY_VERSION_HEX < 0x030A0000
#define Py_NewRef(object) ((PyObject *)(object))
#endif

#endif
