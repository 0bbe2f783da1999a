/* tile and tile_blend on the device against their fp64 references. */
#include "ops/suite_test.h"

extern const pnb_op_suite pnb_suite_tile;

int main(void) { return test_suite(&pnb_suite_tile); }
