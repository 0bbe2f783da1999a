/* The house's floors, from the #include lines: a file includes what lies on its own floor or below, never above. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source_tree.h"

static const struct { const char *room; int floor; } rooms[] = {
    {"lib", 0}, {"base", 0}, {"io", 1},   {"gpu", 1},   {"graph", 2}, {"ops", 2}, {"prior", 3}, {"measure", 3},
    {"solve", 4}, {"train", 4}, {"eval", 4}, {"api", 5}, {"cli", 5},
};

/* The floor of "room/file.h", or -1. */
static int floor_of(const char *path) {
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        size_t n = strlen(rooms[i].room);
        if (strncmp(path, rooms[i].room, n) == 0 && path[n] == '/') return rooms[i].floor;
    }
    return -1;
}

static bool in_room(const char *path, const char *room) { return strncmp(path, room, strlen(room)) == 0 && path[strlen(room)] == '/'; }

typedef struct findings { int includes, faults; } findings;

static void complain(findings *f, const char *file, int line, const char *include, const char *why) {
    fprintf(stderr, "%s:%d: includes %s: %s\n", file, line, include, why);
    f->faults++;
}

/* path: of the file below src/; include: as it stands between quotes. */
static void check_own(findings *f, const char *file, const char *path, int line, const char *include) {
    int own = floor_of(path), other = floor_of(include);
    if (strcmp(include, "penumbra/penumbra.h") == 0) return;
    if (in_room(path, "cli") && !in_room(include, "cli") && !in_room(include, "base")) {
        complain(f, file, line, include, "the command uses penumbra/penumbra.h, its own files and base/ only");
    } else if (other < 0) {
        complain(f, file, line, include, "it lies in no room; write \"room/file.h\"");
    } else if (other > own) {
        complain(f, file, line, include, "it lies on a floor above");
    }
}

static void check_foreign(findings *f, const char *file, const char *path, int line, const char *include) {
    bool vulkan = strstr(include, "volk") || strstr(include, "vulkan");
    if (vulkan && !in_room(path, "gpu")) complain(f, file, line, include, "Vulkan stays in gpu/");
    if (strstr(include, "cmocka")) complain(f, file, line, include, "that is for tests");
}

static void visit(const char *file, void *user) {
    findings *f = user;
    char line[1024], include[256];
    if (!tree_ends_with(file, ".c") && !tree_ends_with(file, ".h")) return;
    if (floor_of(file + strlen("src/")) < 0) complain(f, file, 0, "nothing", "the file lies in no room of the house");
    char *path = pnb_path_join(PNB_SOURCE_DIR, file);
    FILE *in = fopen(path, "r");
    free(path);
    assert_non_null(in);
    for (int number = 1; fgets(line, sizeof line, in); number++) {
        if (sscanf(line, " # include \"%255[^\"]\"", include) == 1) check_own(f, file, file + strlen("src/"), number, include);
        else if (sscanf(line, " # include <%255[^>]>", include) == 1) check_foreign(f, file, file + strlen("src/"), number, include);
        else continue;
        f->includes++;
    }
    fclose(in);
}

static void test_floors(void **state) {
    findings f = {0, 0};
    (void)state;
    tree_walk("src", visit, &f);
    assert_true(f.includes > 20); /* the walk found the tree */
    assert_int_equal(f.faults, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_floors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
