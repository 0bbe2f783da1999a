/* penumbra train as people call it: killed and resumed, stopped and resumed, used by solve; what it says to bad input. */
#include "cli/command.h"

#include "base/philox.h"
#include "io/safetensors.h"

#include <math.h>

enum { IMAGES = 32, SIZE = 8, PIXELS = SIZE * SIZE };

/* Bars at random places. */
static void write_images(const char *path) {
    static float images[IMAGES * PIXELS];
    for (uint32_t k = 0; k < IMAGES; k++) {
        float u[2];
        pnb_fill_uniform(3, 0, k, 0, u, 2);
        for (int i = 0; i < PIXELS; i++) {
            int along = u[0] < 0.5f ? i / SIZE : i % SIZE;
            images[k * PIXELS + (uint32_t)i] = along == (int)(u[1] * SIZE) ? 1 : -1;
        }
    }
    write_npy(path, 3, (uint64_t[]){IMAGES, SIZE, SIZE}, images);
}

#define TRAIN "train --data images.npy --size 8 --preset tiny --batch 2 --set validation=0 --quiet "

static void assert_same_files(const char *a, const char *b) {
    enum { MOST = 1 << 23 };
    char *x = malloc(MOST), *y = malloc(MOST);
    assert_true(x && y);
    size_t n = read_text(a, x, MOST), m = read_text(b, y, MOST);
    assert_true(n > 0);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static int steps_done(const char *path) {
    static char text[1 << 16];
    if (!read_text(path, text, sizeof text)) return -1;
    const char *at = strstr(text, "\"steps_done\": ");
    return at ? atoi(at + strlen("\"steps_done\": ")) : -1;
}

/* Killed at a moment that depends on the clock: with the checkpoint that there is then, the same bytes. */
static void test_resume_after_kill(void **state) {
    shell *s = *state;
    write_images("images.npy");
    RUN_OK(s, TRAIN "--steps 200 -o whole.safetensors");
    pid_t child = start_command(NULL, TRAIN "--steps 200 --checkpoint 0.05 -o cut.safetensors");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < 6000 && !file_exists("cut.train/checkpoint.safetensors"); i++) pause_ms(10);
    pause_ms(now.tv_nsec / 1000000 % 500);
    kill(child, SIGKILL);
    end_command(s, child);
    print_message("killed; the record says %d steps\n", steps_done("cut.train/training.json"));
    expect_failure(s, NULL, TRAIN "--steps 200 -o cut.safetensors", 2, "--resume");
    expect_failure(s, NULL, TRAIN "--steps 199 --resume -o cut.safetensors", 3, "steps is 200 there and 199 here");
    RUN_OK(s, TRAIN "--steps 200 --resume -o cut.safetensors");
    assert_same_files("whole.safetensors", "cut.safetensors");
    assert_false(file_exists("cut.train/checkpoint.safetensors"));
    assert_true(file_exists("cut.train/loss.png") && file_exists("cut.train/samples.png"));
    RUN_OK(s, TRAIN "--steps 200 --resume -o cut.safetensors"); /* complete */
    expect_failure(s, NULL, TRAIN "--steps 7 --resume -o cut.safetensors", 3, "steps is 200 there and 7 here");
}

static void test_stop(void **state) {
    shell *s = *state;
    write_images("images.npy");
    pid_t child = start_command(NULL, TRAIN "--steps 3000 --progress json -o stopped.safetensors");
    for (int i = 0; i < 6000; i++) {
        if (read_text("stdout.txt", s->out, sizeof s->out) && strstr(s->out, "\"step\":")) break;
        pause_ms(10);
    }
    kill(child, SIGINT);
    assert_int_equal(end_command(s, child), 130);
    assert_non_null(strstr(s->err, "cancelled after step"));
    assert_non_null(strstr(s->out, "\"seconds_left\":"));
    assert_true(file_exists("stopped.train/checkpoint.safetensors"));
    RUN_OK(s, "inspect stopped.safetensors"); /* the prior so far */
    assert_true(steps_done("stopped.train/training.json") >= 1);
}

/* A prior that the command made is used without further options; its metadata say how it was made. */
static void test_used_by_solve(void **state) {
    shell *s = *state;
    pnb_error err = {0};
    pnb_safetensors *st;
    write_images("images.npy");
    RUN_OK(s, "train --data images.npy --size 8 --preset tiny --batch 2 --steps 6 --fp16 --meta fov_uas=160 --meta pixel_nm=50 --validate "
              "--set flip=both --set zoom_low=0.9 --quiet -o used.safetensors");
    assert_int_equal(pnb_safetensors_open(&err, "used.safetensors", &st), PNB_OK);
    assert_int_equal(pnb_safetensors_at(st, 0)->dtype, PNB_F16);
    assert_string_equal(pnb_safetensors_metadata(st, "fov_uas"), "160");
    assert_string_equal(pnb_safetensors_metadata(st, "image_size"), "8");
    assert_string_equal(pnb_safetensors_metadata(st, "images_seen"), "12");
    assert_string_equal(pnb_safetensors_metadata(st, "value_range"), "-1,1");
    assert_non_null(pnb_safetensors_metadata(st, "validation_loss"));
    pnb_safetensors_close(st);
    write_text("problem.json", "{\"prior\": {\"file\": \"used.safetensors\"}, \"operator\": {\"type\": \"identity\"}, "
                               "\"truth\": \"truth.npy\", \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.2}, "
                               "\"method\": {\"type\": \"reddiff\", \"steps\": 4, \"particles\": 1}}");
    float truth[PIXELS] = {0};
    write_npy("truth.npy", 3, (uint64_t[]){1, SIZE, SIZE}, truth);
    RUN_OK(s, "solve problem.json --quiet -o solved");
    assert_true(file_exists("solved/samples.npy"));
    RUN_OK(s, "inspect used.safetensors");
    assert_non_null(strstr(s->out, "fov_uas"));
    write_text("seen.json", "{\"prior\": {\"file\": \"used.safetensors\"}, \"operator\": {\"type\": \"psf\"}, "
                            "\"truth\": \"truth.npy\", \"noise\": {\"type\": \"gaussian\", \"sigma\": 0.2}}");
    RUN_OK(s, "solve --explain seen.json");
    assert_non_null(strstr(s->out, "\"pixel_nm\":50"));
    RUN_OK(s, "sample --prior used.safetensors -n 2 --steps 3 --quiet -o drawn");
    RUN_OK(s, "train --data images.npy --init used.safetensors --size 16 --batch 2 --steps 2 --quiet -o further.safetensors");
    assert_int_equal(pnb_safetensors_open(&err, "further.safetensors", &st), PNB_OK);
    assert_string_equal(pnb_safetensors_metadata(st, "image_size"), "16"); /* the size that it was trained at last */
    pnb_safetensors_close(st);
}

static void test_bad_input(void **state) {
    shell *s = *state;
    write_images("images.npy");
    expect_failure(s, NULL, "train --size 8 -o x.safetensors", 2, "--data");
    expect_failure(s, NULL, "train --data images.npy -o x.safetensors", 2, "--size");
    expect_failure(s, NULL, "train --data images.npy --size 8", 2, "-o FILE");
    expect_failure(s, NULL, "train --data images.npy --size 8 --preset big --quiet -o x.safetensors", 2, "tiny, small, medium");
    expect_failure(s, NULL, "train --data images.npy --size 8 --set colour=1 --quiet -o x.safetensors", 2, "'colour'");
    expect_failure(s, NULL, "train --data images.npy --size 8 --set batch=0 --quiet -o x.safetensors", 3, "from 1 to 4096, found 0");
    expect_failure(s, NULL, "train --data images.npy --size 9 --quiet -o x.safetensors", 3, "even number");
    expect_failure(s, NULL, "train --data images.npy --size 8 --range 3 --quiet -o x.safetensors", 2, "LOW,HIGH");
    expect_failure(s, NULL, "train --data images.npy --size 8 --meta seed=1 --quiet -o x.safetensors", 2, "has this already");
    expect_failure(s, NULL, "train --data gone.npy --size 8 --quiet -o x.safetensors", 3, "gone.npy");
    expect_failure(s, NULL, "train --data images.npy --init images.npy --quiet -o x.safetensors", 4, "images.npy");
    expect_failure(s, NULL, "train --data images.npy --size 8 --channels 3 --quiet -o x.safetensors", 3, "3 channels");
    expect_failure(s, NULL, TRAIN "--memory 20M --batch 64 --steps 3 -o x.safetensors", 6, "a smaller batch, here 64");
    assert_false(file_exists("x.safetensors"));
    assert_false(file_exists("x.train"));
    RUN_OK(s, "train --options");
    assert_non_null(strstr(s->out, "zoom_low"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad_input), cmocka_unit_test(test_used_by_solve),
                                       cmocka_unit_test(test_stop), cmocka_unit_test(test_resume_after_kill)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}
