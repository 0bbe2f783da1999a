/* Fuzz target: pictures in PNG and JPEG format, with the checks around stb_image. */
#include "fuzz/fuzz.h"

#include "io/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (uint32_t channels = 0; channels < 4; channels += channels ? 2 : 1) {
        pnb_error err = {0};
        pnb_array a;
        fuzz_check(&err, pnb_image_decode(&err, "fuzz", data, size, channels, &a));
        pnb_array_free(&a);
    }
    return 0;
}
