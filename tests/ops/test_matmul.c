/* matmul on the device against its fp64 reference. */
#include "suite_test.h"

extern const pnb_op_suite pnb_suite_matmul;

int main(void) { return test_suite(&pnb_suite_matmul) + test_suite_hardware(&pnb_suite_matmul); }
