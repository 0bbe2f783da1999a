/* The cases of softmax, on the device. */
#include "suite_test.h"

extern const pnb_op_suite pnb_suite_softmax;

int main(void) { return test_suite(&pnb_suite_softmax); }
