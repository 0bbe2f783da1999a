/* Files and paths: limits, atomic writes, errors in words. */
#include "base/file.h"
#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static int count_files(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir)) n++;
    closedir(dir);
    return n - 2;
}

static void test_round_trip(void **state) {
    pnb_error err = {PNB_OK, ""};
    char *path = pnb_path_join(folder, "a.bin");
    void *data;
    size_t bytes;
    (void)state;
    assert_int_equal(pnb_file_write(&err, path, "hello\0you", 9), PNB_OK);
    assert_int_equal(pnb_file_read(&err, path, 9, &data, &bytes), PNB_OK);
    assert_int_equal(bytes, 9);
    assert_memory_equal(data, "hello\0you", 10); /* a zero behind */
    free(data);
    assert_int_equal(pnb_file_read(&err, path, 8, &data, &bytes), PNB_ERROR_INPUT);
    assert_null(data);
    assert_non_null(strstr(err.message, "9 bytes, at most 8"));
    assert_int_equal(pnb_file_write(&err, path, NULL, 0), PNB_OK);
    assert_int_equal(pnb_file_read(&err, path, 8, &data, &bytes), PNB_OK);
    assert_int_equal(bytes, 0);
    free(data);
    assert_int_equal(count_files(), 1); /* nothing temporary is left */
    remove(path);
    free(path);
}

/* The old file stays until the commit, and after an abort. */
static void test_atomic(void **state) {
    pnb_error err = {PNB_OK, ""};
    char *path = pnb_path_join(folder, "b.bin");
    pnb_file_writer w, other;
    void *data;
    size_t bytes;
    (void)state;
    assert_int_equal(pnb_file_write(&err, path, "old", 3), PNB_OK);
    assert_int_equal(pnb_writer_open(&err, path, &w), PNB_OK);
    assert_int_equal(pnb_writer_open(&err, path, &other), PNB_OK); /* two writers do not disturb each other */
    assert_int_equal(pnb_writer_write(&w, "new", 3), PNB_OK);
    assert_int_equal(pnb_writer_write(&w, "er", 2), PNB_OK);
    assert_int_equal(pnb_file_read(&err, path, 9, &data, &bytes), PNB_OK);
    assert_memory_equal(data, "old", 4);
    free(data);
    pnb_writer_abort(&other);
    assert_int_equal(pnb_writer_commit(&w), PNB_OK);
    pnb_writer_abort(&w);
    assert_int_equal(pnb_file_read(&err, path, 9, &data, &bytes), PNB_OK);
    assert_memory_equal(data, "newer", 6);
    free(data);
    assert_int_equal(count_files(), 1);
    remove(path);
    free(path);
}

static void test_errors(void **state) {
    pnb_error err = {PNB_OK, ""};
    void *data;
    size_t bytes;
    (void)state;
    assert_int_equal(pnb_file_read(&err, "/no/such/file", 9, &data, &bytes), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "'/no/such/file'"));
    assert_int_equal(pnb_file_read(&err, folder, 9, &data, &bytes), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "not a plain file"));
    assert_int_equal(pnb_file_write(&err, "/no/such/folder/file", "x", 1), PNB_ERROR_INPUT);
    assert_non_null(strstr(err.message, "cannot be written"));
    assert_int_equal(pnb_file_write(&err, folder, "x", 1), PNB_ERROR_INPUT); /* a folder is in the way */
    assert_int_equal(pnb_file_write(NULL, "/no/such/folder/file", "x", 1), PNB_ERROR_INPUT);
    assert_int_equal(count_files(), 0);
}

static void test_folders(void **state) {
    pnb_error err = {PNB_OK, ""};
    char *deep = pnb_path_join(folder, "x/y//z/"), *file = pnb_path_join(folder, "x/f"), *below = pnb_path_join(file, "g");
    (void)state;
    assert_int_equal(pnb_make_folders(&err, deep), PNB_OK);
    assert_int_equal(pnb_make_folders(&err, deep), PNB_OK);
    assert_true(pnb_is_folder(deep));
    assert_int_equal(pnb_file_write(&err, file, "x", 1), PNB_OK);
    assert_true(pnb_file_exists(file) && !pnb_is_folder(file));
    assert_int_equal(pnb_make_folders(&err, below), PNB_ERROR_INPUT);
    assert_int_equal(pnb_make_folders(&err, "/"), PNB_OK);
    assert_int_equal(pnb_make_folders(&err, ""), PNB_OK);
    free(deep);
    free(file);
    free(below);
}

static void check_path(char *got, const char *expected) {
    assert_string_equal(got, expected);
    free(got);
}

static void test_paths(void **state) {
    (void)state;
    check_path(pnb_path_join("a", "b"), "a/b");
    check_path(pnb_path_join("a/", "b"), "a/b");
    check_path(pnb_path_join("", "b"), "b");
    check_path(pnb_path_join("a", "/b"), "/b");
    check_path(pnb_path_folder("a/b.png"), "a");
    check_path(pnb_path_folder("b.png"), ".");
    check_path(pnb_path_folder("/b"), "/");
    check_path(pnb_path_folder("/a/b/c"), "/a/b");
    assert_string_equal(pnb_path_name("a/b.png"), "b.png");
    assert_string_equal(pnb_path_name("b.png"), "b.png");
}

/* A pipe is written to, not replaced by a file. */
static void test_pipe(void **state) {
    pnb_error err = {PNB_OK, ""};
    char *path = pnb_path_join(folder, "pipe"), got[8] = "";
    struct stat info;
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    int end = open(path, O_RDWR | O_NONBLOCK);
    assert_true(end >= 0);
    assert_int_equal(pnb_file_write(&err, path, "hello", 5), PNB_OK);
    assert_int_equal(read(end, got, sizeof got), 5);
    assert_string_equal(got, "hello");
    close(end);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(count_files(), 1);
    remove(path);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_atomic), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_pipe), cmocka_unit_test(test_paths),      cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, folder_setup, folder_teardown);
}
