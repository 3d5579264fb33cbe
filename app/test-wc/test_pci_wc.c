#include "test.h"
static const struct test_case cases[]={{0}};
const struct test_suite pci_wc_suite={.name="pci-wc",.cases=cases};
