/* Fuzz target: the reader of UVFITS, and what is done with what it read. */
#include "fuzz/fuzz.h"

#include "io/uvdata.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    pnb_uvdata d;
    if (size < 6 || memcmp(data, "SIMPLE", 6) != 0) return 0; /* another reader's */
    pnb_status status = pnb_uvdata_parse(&err, "fuzz", data, size, &d);
    fuzz_check(&err, status);
    pnb_uv_selection s = PNB_UV_SELECTION_DEFAULTS;
    if (status == PNB_OK && d.count > size / 16) abort(); /* a visibility takes more than that */
    if (status == PNB_OK) fuzz_check(&err, pnb_uvdata_select(&err, &d, &s));
    pnb_uvdata_free(&d);
    return 0;
}
