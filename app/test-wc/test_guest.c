#include "test.h"
static const struct test_case cases[]={{0}};
const struct test_suite guest_suite={.name="guest",.cases=cases};
