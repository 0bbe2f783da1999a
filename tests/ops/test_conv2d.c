/* conv2d on the device against its fp64 reference, in every way that it can be built. */
#include "suite_test.h"

#include "gpu/choices.h"

extern const pnb_op_suite pnb_suite_conv2d;

static void test_every_way(void **state) {
    test_suite_current = &pnb_suite_conv2d;
    pnb_choices *table = pnb_gpu_choices(test_gpu(state));
    for (int32_t way = 0; way < 3; way++) {
        pnb_choices_explore(table, way);
        test_suite_cases(state);
    }
    pnb_choices_explore(table, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_way)};
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
