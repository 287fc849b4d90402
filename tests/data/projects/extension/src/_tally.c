#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "compat.h"

typedef struct {
    PyObject_HEAD
    PyObject *entries;
} Table;

static PyObject *
table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Table *self = (Table *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->entries = PyDict_New();
    if (self->entries == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
table_dealloc(Table *self)
{
    Py_XDECREF(self->entries);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
table_put(Table *self, PyObject *args)
{
    PyObject *key, *value;
    if (!PyArg_ParseTuple(args, "OO:put", &key, &value))
        return NULL;
    if (PyDict_SetItem(self->entries, key, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
table_find(Table *self, PyObject *args)
{
    PyObject *key, *missing = Py_None, *value;
    if (!PyArg_ParseTuple(args, "O|O:find", &key, &missing))
        return NULL;
    value = PyDict_GetItemWithError(self->entries, key);
    if (value == NULL && PyErr_Occurred())
        return NULL;
    return Py_NewRef(value ? value : missing);
}

static PyObject *
table_drop(Table *self, PyObject *key)
{
    if (PyDict_DelItem(self->entries, key) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
table_total(Table *self, PyObject *Py_UNUSED(ignored))
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    long long total = 0;
    while (PyDict_Next(self->entries, &position, &key, &value)) {
        if (!PyLong_Check(value))
            continue;
        total += PyLong_AsLongLong(value);
        if (PyErr_Occurred())
            return NULL;
    }
    return PyLong_FromLongLong(total);
}

static Py_ssize_t
table_length(Table *self)
{
    return PyDict_Size(self->entries);
}

static PyMethodDef table_methods[] = {
    {"put", (PyCFunction)table_put, METH_VARARGS, "put(key, value): remember a value."},
    {"find", (PyCFunction)table_find, METH_VARARGS, "find(key, missing=None): the value of a key."},
    {"drop", (PyCFunction)table_drop, METH_O, "drop(key): forget a value."},
    {"total", (PyCFunction)table_total, METH_NOARGS, "total(): the sum of all numbers."},
    {NULL},
};

static PySequenceMethods table_as_sequence = {
    .sq_length = (lenfunc)table_length,
};

static PyTypeObject TableType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "tally.Table",
    .tp_doc = "A table of values.",
    .tp_basicsize = sizeof(Table),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = table_new,
    .tp_dealloc = (destructor)table_dealloc,
    .tp_methods = table_methods,
    .tp_as_sequence = &table_as_sequence,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_tally",
    .m_size = -1,
};

PyMODINIT_FUNC
PyInit__tally(void)
{
    PyObject *made;
    if (PyType_Ready(&TableType) < 0)
        return NULL;
    made = PyModule_Create(&module);
    if (made == NULL)
        return NULL;
    Py_INCREF(&TableType);
    if (PyModule_AddObject(made, "Table", (PyObject *)&TableType) < 0) {
        Py_DECREF(&TableType);
        Py_DECREF(made);
        return NULL;
    }
    return made;
}
