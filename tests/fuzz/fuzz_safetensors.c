/* Fuzz target: the safetensors reader. */
#include "fuzz/fuzz.h"

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    pnb_safetensors *st;
    pnb_status status = pnb_safetensors_open(&err, fuzz_file(data, size), &st);
    for (size_t i = 0; status == PNB_OK && i < pnb_safetensors_count(st); i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(st, i);
        float *values = malloc((size_t)e->count * sizeof *values + 1); /* not above 4 times the file */
        if (!values || pnb_safetensors_find(st, e->name) != e) abort();
        status = pnb_safetensors_read_f32(st, e, values);
        free(values);
    }
    fuzz_check(&err, status);
    pnb_safetensors_close(st);
    return 0;
}
