/* The cases of conv2d, on the device. */
#include "suite_test.h"

extern const pnb_op_suite pnb_suite_conv2d;

int main(void) { return test_suite(&pnb_suite_conv2d); }
