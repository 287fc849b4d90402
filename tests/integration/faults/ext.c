#define Py_LIMITED_API 0x03090000
#include <Python.h>
__attribute__((noinline)) static long touch_field(long *field) { return *field; }
static PyObject *crash(PyObject *self, PyObject *offset) { (void)self; return PyLong_FromLong(touch_field((long *)PyLong_AsLong(offset))); }
static PyMethodDef methods[] = {{"crash", crash, METH_O, 0}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext", 0, 0, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit_ext(void) { return PyModule_Create(&module); }
