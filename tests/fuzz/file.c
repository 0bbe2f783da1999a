/* Bytes as a file, for fuzz targets. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <unistd.h>

static char path[] = "/tmp/penumbra-fuzz-XXXXXX";
static int file = -1;

static void remove_file(void) {
    unlink(path);
}

const char *fuzz_file(const uint8_t *data, size_t size) {
    if (file < 0) {
        file = mkstemp(path);
        if (file < 0 || atexit(remove_file) != 0) abort();
    }
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    return path;
}
