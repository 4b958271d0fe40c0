/* inference._plain: finds plain requests in packets (recogniser.h), and answers the usual ones
 * (teller.h). */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "recogniser.h"
#include "teller.h"

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_plain", "Finds plain requests in packets, and answers them.", -1, NULL,
    NULL, NULL, NULL, NULL,
};

static int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyObject **kept)
{
    PyObject *type = PyType_FromSpec(spec);
    int done = type == NULL ? -1 : PyModule_AddObjectRef(module, name, type);
    if (kept != NULL && done == 0)
        *kept = Py_NewRef(type);
    Py_XDECREF(type);
    return done;
}

PyMODINIT_FUNC PyInit__plain(void)
{
    fill_token_fold();
    fill_plain_id();
    PyObject *module = PyModule_Create(&module_definition);
    if (module != NULL && (add_type(module, &recogniser_spec, "Recogniser", &recogniser_type) < 0 ||
                           add_type(module, &teller_spec, "Teller", NULL) < 0))
        Py_CLEAR(module);
    return module;
}
