/* complex_mul on the device against its fp64 reference. */
#include "ops/suite_test.h"

extern const pnb_op_suite pnb_suite_complex_mul;

int main(void) { return test_suite(&pnb_suite_complex_mul); }
