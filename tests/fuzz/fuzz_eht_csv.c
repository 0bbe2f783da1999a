/* Fuzz target: the reader of the EHT's CSV, and what is done with what it read. */
#include "fuzz/fuzz.h"

#include "io/eht_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    pnb_uvdata d = {0};
    pnb_status status = pnb_eht_csv_parse(&err, (const char *)data, size, &d);
    fuzz_check(&err, status);
    pnb_uv_selection s = PNB_UV_SELECTION_DEFAULTS;
    s.intrasite = false;
    if (status == PNB_OK) fuzz_check(&err, pnb_uvdata_select(&err, &d, &s));
    pnb_uvdata_free(&d);
    return 0;
}
