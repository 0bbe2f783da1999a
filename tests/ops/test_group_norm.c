/* group_norm on the device against its fp64 reference. */
#include "ops/suite_test.h"

extern const pnb_op_suite pnb_suite_group_norm;

int main(void) { return test_suite(&pnb_suite_group_norm) + test_suite_hardware(&pnb_suite_group_norm); }
