/* Fuzz target: the pickle machine. */
#include "fuzz/fuzz.h"

#include "io/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const allowed[] = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2",
                                          "torch FloatStorage", NULL};
    pnb_error err = {0};
    pnb_pickle p;
    pnb_status status = pnb_pickle_parse(&err, "fuzz", data, size, allowed, &p);
    for (size_t i = 0; status == PNB_OK && i < p.n_values; i++) {
        const pnb_pickle_value *v = pnb_pickle_at(&p, (pnb_pickle_ref)i);
        if (v->kind == PNB_PICKLE_TEXT ? (size_t)v->as.at.first + v->count > size : v->count > p.n_cells) abort();
        if (pnb_pickle_item(&p, v, 0) && !pnb_pickle_item(&p, v, v->count - 1)) abort();
    }
    fuzz_check(&err, status);
    if (status == PNB_OK) pnb_pickle_finish(&p);
    return 0;
}
