/* Runs a fuzz target over the files of folders, in builds without libFuzzer. Usage: fuzz_X FOLDER... */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static size_t replay(const char *path) {
    FILE *file = fopen(path, "rb");
    static uint8_t bytes[1 << 22];
    if (!file) return 0;
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    uint8_t *exact = malloc(n ? n : 1); /* of this size, so that sanitisers see reads beyond it */
    if (!exact) return 0;
    memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    for (size_t cut = n; cut > 1; cut /= 2) LLVMFuzzerTestOneInput(exact, cut / 2);
    free(exact);
    return 1;
}

int main(int argc, char **argv) {
    size_t done = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        for (struct dirent *e; folder && (e = readdir(folder));) {
            char path[4096];
            if (e->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name) >= (int)sizeof path)
                continue;
            done += replay(path);
        }
        if (folder) closedir(folder);
    }
    printf("%zu inputs\n", done);
    return done ? 0 : 1;
}
