/* Fuzz target: the NPY reader. */
#include "fuzz/fuzz.h"

#include "io/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    pnb_array a;
    pnb_status status = pnb_npy_read(&err, fuzz_file(data, size), &a);
    fuzz_check(&err, status);
    if (status == PNB_OK && a.count > size) abort(); /* an element takes a byte or more */
    pnb_array_free(&a);
    return 0;
}
