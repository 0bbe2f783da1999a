/* Fuzz target: the reader of TIFF. */
#include "fuzz/fuzz.h"

#include "io/tiff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    pnb_tiff_info info;
    pnb_array a;
    if (!pnb_tiff_magic(data, size)) return 0; /* another reader's */
    fuzz_check(&err, pnb_tiff_parse(&err, "fuzz", data, size, &info, &a));
    pnb_array_free(&a);
    return 0;
}
