/* Fuzz target: PyTorch's files, zip archives and the older stream. */
#include "fuzz/fuzz.h"

#include "io/torch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    pnb_torch *t;
    volatile unsigned char last;
    pnb_status status = pnb_torch_open(&err, fuzz_file(data, size), &t);
    for (size_t i = 0; status == PNB_OK && i < pnb_torch_count(t); i++) {
        const unsigned char *bytes;
        const pnb_torch_entry *e = pnb_torch_at(t, i);
        status = pnb_torch_bytes(t, i, &bytes);
        if (status == PNB_OK && e->bytes) last = bytes[e->bytes - 1];
    }
    if (status == PNB_OK) status = pnb_torch_verify(t);
    fuzz_check(&err, status);
    pnb_torch_close(t);
    (void)last;
    return 0;
}
