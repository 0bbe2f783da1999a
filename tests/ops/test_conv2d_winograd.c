/* conv2d_winograd on the device against its fp64 reference. */
#include "suite_test.h"

extern const pnb_op_suite pnb_suite_conv2d_winograd;

int main(void) { return test_suite(&pnb_suite_conv2d_winograd) + test_suite_hardware(&pnb_suite_conv2d_winograd); }
