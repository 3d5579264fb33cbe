#include "test.h"
static const struct test_case cases[]={{0}};
const struct test_suite ivshmem_suite={.name="ivshmem",.cases=cases};
const struct test_suite ivshmem_echo_suite={.name="ivshmem-echo",.cases=cases};
