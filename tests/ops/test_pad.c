/* pad and fold on the device against their fp64 reference. */
#include "ops/suite_test.h"

extern const pnb_op_suite pnb_suite_pad;

int main(void) { return test_suite(&pnb_suite_pad); }
