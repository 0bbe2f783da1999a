/* Runs the command in a folder of its own and keeps what it said; small files for its problems. */
#ifndef PNB_TESTS_COMMAND_H
#define PNB_TESTS_COMMAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io/npy.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One temporary folder for a test program, current folder of every command; texts of the latest command. */
typedef struct shell {
    char folder[64];
    char out[65536], err[16384];
} shell;

static inline void remove_tree(const char *path) {
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char inner[2048];
        if (snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) >= (int)sizeof inner) continue;
        struct stat info;
        if (lstat(inner, &info) == 0 && S_ISDIR(info.st_mode)) {
            remove_tree(inner);
        } else {
            (void)unlink(inner);
        }
    }
    if (dir) closedir(dir);
    (void)rmdir(path);
}

static inline int shell_setup(void **state) {
    shell *s = calloc(1, sizeof *s);
    if (!s) return -1;
    snprintf(s->folder, sizeof s->folder, "/tmp/penumbra-test-XXXXXX");
    *state = s;
    if (!mkdtemp(s->folder) || chdir(s->folder) != 0) return -1;
    return setenv("XDG_CACHE_HOME", s->folder, 1); /* pipelines are compiled once for the whole program */
}

static inline int shell_teardown(void **state) {
    shell *s = *state;
    if (chdir("/") == 0) remove_tree(s->folder);
    free(s);
    return 0;
}

static inline void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline size_t read_text(const char *path, char *text, size_t bytes) {
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(text, 1, bytes - 1, file) : 0;
    if (file) fclose(file);
    text[n] = 0;
    return n;
}

/* To be deleted; fails where there is no JSON. */
static inline cJSON *read_json(const char *path) {
    static char text[1 << 20];
    read_text(path, text, sizeof text);
    cJSON *json = cJSON_Parse(text);
    if (!json) fail_msg("%s: there is no JSON in it", path);
    return json;
}

static inline bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

static inline void write_npy(const char *path, uint32_t rank, const uint64_t *shape, const float *data) {
    pnb_error err = {0};
    if (pnb_npy_write(&err, path, rank, shape, data) != PNB_OK) fail_msg("%s", err.message);
}

static inline void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

enum { MOST_WORDS = 32 };

/* Starts `penumbra words`, its stdout going to a file; words are separated by single spaces. icd: value of VK_ICD_FILENAMES,
 * or NULL to keep it. */
static inline pid_t start_command_to(const char *out_path, const char *icd, const char *words) {
    char copy[1024], *argv[MOST_WORDS + 2] = {(char *)PNB_COMMAND};
    snprintf(copy, sizeof copy, "%s", words);
    int n = 1;
    for (char *p = copy; p && *p && n <= MOST_WORDS;) {
        argv[n++] = p;
        p = strchr(p, ' ');
        if (p) *p++ = 0;
    }
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0) return child;
    int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0666),
        err = open("stderr.txt", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(99);
    if (icd) {
        setenv("VK_ICD_FILENAMES", icd, 1);
        setenv("VK_DRIVER_FILES", icd, 1);
    }
    execv(argv[0], argv);
    _exit(98);
}

static inline pid_t start_command(const char *icd, const char *words) {
    return start_command_to("stdout.txt", icd, words);
}

static inline int end_command(shell *s, pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    read_text("stdout.txt", s->out, sizeof s->out);
    read_text("stderr.txt", s->err, sizeof s->err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int run_command(shell *s, const char *words) {
    return end_command(s, start_command(NULL, words));
}

#define RUN_OK(s, words)                                                                                               \
    do {                                                                                                               \
        int code_ = run_command(s, words);                                                                             \
        if (code_ != 0) fail_msg("'%s' gave %d: %s", words, code_, (s)->err);                                          \
    } while (0)

/* The command fails with this code and says one line on stderr in which `part` stands, and nothing on stdout. */
static inline void expect_failure(shell *s, const char *icd, const char *words, int code, const char *part) {
    int got = end_command(s, start_command(icd, words));
    if (got != code) fail_msg("'%s' gave %d, expected %d: %s", words, got, code, s->err);
    size_t lines = 0;
    for (const char *p = s->err; *p; p++) lines += *p == '\n';
    if (lines != 1) fail_msg("'%s' said %zu lines, expected one: %s", words, lines, s->err);
    if (!strstr(s->err, part)) fail_msg("'%s': no '%s' in: %s", words, part, s->err);
    assert_string_equal(s->out, "");
}

#endif
