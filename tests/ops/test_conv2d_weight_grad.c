/* conv2d_weight_grad on the device against its fp64 reference, in every way that it can be built. */
#include "suite_test.h"

extern const pnb_op_suite pnb_suite_conv2d_weight_grad;

int main(void) {
    return test_suite_ways(&pnb_suite_conv2d_weight_grad, 2) + test_suite_hardware(&pnb_suite_conv2d_weight_grad);
}
