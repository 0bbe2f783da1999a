/* Fuzz target: the IDX reader, plain and gzipped. */
#include "fuzz/fuzz.h"

#include "io/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    pnb_idx idx;
    fuzz_check(&err, pnb_idx_read(&err, fuzz_file(data, size), &idx));
    pnb_idx_free(&idx);
    return 0;
}
