/* textmodels.families.keras_embedding._network: network.h is its arithmetic. */

#include "rows.h"
#include "network.h"

#define PACKAGE "textmodels.families.keras_embedding"
#define MODULE "_network"
#include "scorer_type.h"

PyMODINIT_FUNC PyInit__network(void)
{
    return init_module();
}
