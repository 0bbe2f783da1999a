/* penumbra convert: a network in the wrappers of a training run, settings, and what is refused. */
#include "cli/command.h"

#include "device.h"

#include "io/torch_writer.h"
#include "prior/rig.h"

enum { MOST = 600 };

/* A file of the older format with a network's tensors behind two prefixes, those of the second doubled, and an
 * optimizer's state. */
static void write_wrapped(const adm_file *f, const char *path, const char *a, const char *b) {
    static torch_tensor tensors[MOST];
    static torch_storage storages[MOST];
    static char names[MOST][96];
    uint32_t n = 0;
    float step = 3;
    for (int copy = 0; copy < 2; copy++)
        for (size_t i = 0; i < f->count; i++, n++) {
            const pnb_safetensors_item *item = &f->items[i];
            torch_tensor *t = &tensors[n];
            uint32_t count = 1;
            assert_true(n + 1 < MOST);
            snprintf(names[n], sizeof names[n], "%s%s", copy ? b : a, item->name);
            *t = (torch_tensor){.name = names[n], .rank = item->rank, .storage = n};
            for (uint32_t d = item->rank; d-- > 0;) {
                t->shape[d] = (uint32_t)item->shape[d];
                t->stride[d] = count;
                count *= t->shape[d];
            }
            float *values = malloc(count * sizeof *values);
            assert_non_null(values);
            for (uint32_t k = 0; k < count; k++) values[k] = (float)(copy + 1) * item->data[k];
            storages[n] = (torch_storage){values, count};
        }
    tensors[n] = (torch_tensor){.name = "optimizer.state.0.step", .storage = n};
    storages[n++] = (torch_storage){&step, 1};
    pile object = {0}, file;
    pickle_tensors(&object, tensors, n, storages, true);
    file = torch_stream(&object, storages, n);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(file.at, 1, file.n, out), file.n);
    assert_int_equal(fclose(out), 0);
    for (uint32_t i = 0; i + 1 < n; i++) free((void *)storages[i].values);
    free(object.at);
    free(file.at);
}

static adm_file *small_network(void) {
    pnb_adm_config c = small_adm();
    return adm_file_create(&c);
}

/* The file holds the network that write_wrapped doubled, under its own names, and the setting; as dtype has its values. */
static void check_network(const char *path, const adm_file *f, pnb_dtype dtype) {
    pnb_error err = {0};
    pnb_safetensors *st;
    TEST_OK(&err, pnb_safetensors_open(&err, path, &st));
    assert_int_equal(pnb_safetensors_count(st), f->count);
    assert_string_equal(pnb_safetensors_metadata(st, "num_head_channels"), "32");
    for (size_t i = 0; i < f->count; i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(st, i);
        float *values = malloc(e->count * sizeof *values);
        assert_non_null(values);
        assert_string_equal(e->name, f->items[i].name);
        assert_int_equal(e->dtype, dtype);
        TEST_OK(&err, pnb_safetensors_read_f32(st, e, values));
        for (uint64_t k = 0; k < e->count; k++) {
            float doubled = 2 * f->items[i].data[k];
            assert_true(values[k] == (dtype == PNB_F16 ? pnb_half_to_float(pnb_float_to_half(doubled)) : doubled));
        }
        free(values);
    }
    pnb_safetensors_close(st);
}

/* Only the averaged network, under its own names and in its own values; config.json and a setting go along. */
static void test_network(void **state) {
    shell *s = *state;
    adm_file *f = small_network();
    pnb_error err = {0};
    pnb_safetensors *st;
    write_wrapped(f, "run.pt", "net.model.", "ema.model.");
    write_text("config.json", "{\"image_size\": 16, \"num_heads\": 1}");
    RUN_OK(s, "convert run.pt run.safetensors --set num_head_channels=32");
    assert_non_null(strstr(s->err, "those of 'ema.model.'"));
    check_network("run.safetensors", f, PNB_F32);
    unlink("config.json");
    RUN_OK(s, "inspect run.safetensors");
    assert_non_null(strstr(s->out, "32 channels a head,"));
    assert_non_null(strstr(s->out, "trained at 16 x 16"));
    RUN_OK(s, "inspect run.pt");
    assert_non_null(strstr(s->out, "32 channels a head (assumed)"));
    RUN_OK(s, "convert run.pt all.safetensors --all");
    TEST_OK(&err, pnb_safetensors_open(&err, "all.safetensors", &st));
    assert_int_equal(pnb_safetensors_count(st), 2 * f->count + 1);
    assert_non_null(pnb_safetensors_find(st, "optimizer.state.0.step"));
    pnb_safetensors_close(st);
    adm_file_destroy(f);
}

/* The network computes the same from all three files. */
static void test_same_prior(void **state) {
    shell *s = *state;
    adm_file *f = small_network();
    float *x = rig_normal(5, 2 * 16 * 16);
    static char a[4096], b[4096];
    write_wrapped(f, "same.pt", "state_dict.module.", "model_ema.");
    write_npy("x.npy", 3, (uint64_t[]){2, 16, 16}, x);
    RUN_OK(s, "convert same.pt same.safetensors --quiet");
    assert_string_equal(s->err, "");
    RUN_OK(s, "convert same.pt whole.safetensors --all");
    RUN_OK(s, "predict --prior same.safetensors --x x.npy --t 300 -o a.npy");
    size_t n = read_text("a.npy", a, sizeof a);
    assert_true(n > 2 * 16 * 16 * 4);
    static const char *const others[] = {"predict --prior same.pt --x x.npy --t 300 -o b.npy",
                                         "predict --prior whole.safetensors --x x.npy --t 300 -o b.npy"};
    for (int i = 0; i < 2; i++) {
        RUN_OK(s, others[i]);
        assert_int_equal(read_text("b.npy", b, sizeof b), n);
        assert_memory_equal(a, b, n);
    }
    free(x);
    adm_file_destroy(f);
}

static long bytes_of(const char *path) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    fclose(f);
    return n;
}

/* Half the bytes, every value the nearest that binary16 has; metadata stay, and what it cannot hold is refused. */
static void test_half(void **state) {
    shell *s = *state;
    adm_file *f = small_network();
    pnb_error err = {0};
    write_wrapped(f, "half.pt", "a.", "ema.");
    RUN_OK(s, "convert half.pt wide.safetensors --set num_head_channels=32");
    RUN_OK(s, "convert wide.safetensors half.safetensors --dtype f16");
    assert_non_null(strstr(s->err, "as F16"));
    check_network("half.safetensors", f, PNB_F16);
    RUN_OK(s, "convert half.safetensors again.safetensors --dtype f32");
    RUN_OK(s, "convert half.safetensors same.safetensors");
    assert_int_equal(bytes_of("same.safetensors"), bytes_of("half.safetensors"));
    assert_true(bytes_of("again.safetensors") > 3 * bytes_of("half.safetensors") / 2);
    expect_failure(s, NULL, "convert half.safetensors x.safetensors --dtype bf16", 2, "f16 or f32");
    float wide[] = {1, 70000};
    pnb_safetensors_item item = {"w", 1, {2}, wide};
    TEST_OK(&err, pnb_safetensors_write(&err, "large.safetensors", PNB_F32, &item, 1, NULL, 0));
    expect_failure(s, NULL, "convert large.safetensors x.safetensors --dtype f16", 7, "65504");
    assert_false(file_exists("x.safetensors"));
    adm_file_destroy(f);
}

static void test_refused(void **state) {
    shell *s = *state;
    adm_file *f = small_network();
    write_wrapped(f, "good.pt", "a.", "b.");
    expect_failure(s, NULL, "convert good.pt", 2, "convert");
    expect_failure(s, NULL, "convert good.pt good.npy", 2, ".safetensors");
    expect_failure(s, NULL, "convert good.pt x.safetensors --set heads=4", 2, "num_head_channels");
    expect_failure(s, NULL, "convert gone.pt x.safetensors", 3, "gone.pt");
    write_text("bad.pt", "\x80\x02"
                         "cos\nsystem\n.");
    expect_failure(s, NULL, "convert bad.pt x.safetensors", 4, "bare pickle");
    expect_failure(s, NULL, "inspect bad.pt", 4, "bad.pt");
    expect_failure(s, NULL, "predict --prior bad.pt --x x.npy --t 1 -o y.npy", 4, "bad.pt");
    assert_int_equal(truncate("good.pt", 100000), 0);
    expect_failure(s, NULL, "convert good.pt x.safetensors", 4, "cut short");
    assert_false(file_exists("x.safetensors"));
    adm_file_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_same_prior),
        cmocka_unit_test(test_half),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}
