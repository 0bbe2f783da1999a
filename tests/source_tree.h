/* Walks the source tree, for the tests of the house's own rules. */
#ifndef PNB_TESTS_SOURCE_TREE_H
#define PNB_TESTS_SOURCE_TREE_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static inline bool tree_ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static inline bool tree_exists(const char *relative) {
    char *path = pnb_path_join(PNB_SOURCE_DIR, relative);
    bool exists = path && pnb_file_exists(path);
    free(path);
    return exists;
}

/* Calls visit for every file below the folder; paths are relative to the source tree. */
static inline void tree_walk(const char *folder, void (*visit)(const char *relative, void *user), void *user) {
    char *path = pnb_path_join(PNB_SOURCE_DIR, folder);
    DIR *dir = path ? opendir(path) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        char *relative = pnb_path_join(folder, entry->d_name), *full = pnb_path_join(PNB_SOURCE_DIR, relative);
        if (pnb_is_folder(full)) tree_walk(relative, visit, user);
        else visit(relative, user);
        free(relative);
        free(full);
    }
    if (dir) closedir(dir);
    free(path);
}

#endif
