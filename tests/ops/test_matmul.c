/* The cases of matmul, on the device. */
#include "suite_test.h"

extern const pnb_op_suite pnb_suite_matmul;

int main(void) { return test_suite(&pnb_suite_matmul); }
