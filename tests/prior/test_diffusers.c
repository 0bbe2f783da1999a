/* diffusers' folders: the output and gradient of a network that PyTorch computed (tools/diffusers_golden), and
 * configurations that are not to be taken for it. */
#include "device.h"

#include "rig.h"

#include "prior/diffusers_config.h"
#include "prior/names.h"

#include <cjson/cJSON.h>

#define FOLDER PNB_SOURCE_DIR "/tests/prior/diffusers"

static pnb_safetensors *golden(pnb_error *err) {
    pnb_safetensors *st;
    TEST_OK(err, pnb_safetensors_open(err, FOLDER "/golden.safetensors", &st));
    return st;
}

static float *values_of(pnb_error *err, pnb_safetensors *st, const char *name, uint64_t count) {
    const pnb_safetensors_entry *e = pnb_safetensors_find(st, name);
    float *values = malloc(count * sizeof *values);
    assert_true(e && values && e->count == count);
    TEST_OK(err, pnb_safetensors_read_f32(st, e, values));
    return values;
}

static void check_against(rig *r, pnb_safetensors *st, pnb_tensor got, const char *name) {
    uint64_t count = pnb_shape_count(pnb_graph_shape(r->g, got));
    float *a = rig_read(r, got), *b = values_of(r->err, st, name, count);
    double e = relative_error(a, b, count, 0);
    print_message("%s: %.1e\n", name, e);
    assert_true(e <= 2e-5);
    free(a);
    free(b);
}

/* Both as a folder and by the file in it. */
static void test_golden(void **state) {
    static const char *const paths[] = {FOLDER, FOLDER "/diffusion_pytorch_model.safetensors"};
    for (int i = 0; i < 2; i++) {
        rig r = rig_open(state);
        pnb_prior *p = NULL;
        pnb_safetensors *st = golden(r.err);
        pnb_shape shape = pnb_shape4(2, 2, 8, 12);
        uint64_t count = pnb_shape_count(shape);
        pnb_tensor x, g, eps, gx;
        TEST_OK(r.err, pnb_prior_load(r.err, paths[i], &p));
        TEST_OK(r.err, pnb_prior_commit(p, r.gpu));
        assert_string_equal(pnb_prior_architecture(p), "diffusers");
        assert_int_equal(pnb_prior_size_hint(p), 12);
        assert_int_equal(pnb_prior_parameters(p), 45114);
        float *vx = values_of(r.err, st, "x", count), *vg = values_of(r.err, st, "g", count),
              *vt = values_of(r.err, st, "t", 2);
        x = rig_input(&r, "x", shape, vx);
        g = rig_input(&r, "g", shape, vg);
        pnb_level level = {.t = rig_input(&r, "t", pnb_shape1(2), vt), .alpha = PNB_NONE, .sigma = PNB_NONE};
        TEST_OK(r.err, pnb_prior_eps(p, r.g, x, level, &(pnb_eps_params){.label = PNB_NONE, .raw = true}, &eps));
        TEST_OK(r.err, pnb_graph_grad(r.g, &eps, &g, 1, &x, 1, &gx));
        rig_output(&r, eps);
        rig_output(&r, gx);
        rig_run(&r);
        check_against(&r, st, eps, "out");
        check_against(&r, st, gx, "grad_x");
        free(vx);
        free(vg);
        free(vt);
        pnb_safetensors_close(st);
        rig_close(&r);
        pnb_prior_destroy(&p, r.gpu);
    }
}

/* ---- configurations -----------------------------------------------------------------------------------------------
 */

/* The golden network's tensors, and its configuration for a test to change and delete. */
static names *golden_names(void) {
    pnb_error err = {0};
    pnb_safetensors *st;
    names *n = calloc(1, sizeof *n);
    assert_non_null(n);
    TEST_OK(&err, pnb_safetensors_open(&err, FOLDER "/diffusion_pytorch_model.safetensors", &st));
    for (size_t i = 0; i < pnb_safetensors_count(st); i++) {
        const pnb_safetensors_entry *e = pnb_safetensors_at(st, i);
        pnb_shape shape = {.rank = e->rank};
        for (uint32_t d = 0; d < e->rank; d++) shape.d[d] = (uint32_t)e->shape[d];
        assert_int_equal(collect(n, e->name, shape), PNB_OK);
    }
    pnb_safetensors_close(st);
    return n;
}

static cJSON *golden_config(void) {
    char text[4096] = "";
    FILE *f = fopen(FOLDER "/config.json", "rb");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    return json;
}

/* With `value` (JSON) under `key`, the network is refused in a sentence with `part`; part NULL: it is taken. */
static void expect(const names *n, const char *key, const char *value, const char *part) {
    pnb_error err = {0};
    pnb_diffusers_config c;
    cJSON *config = golden_config();
    if (value) {
        cJSON_DeleteItemFromObjectCaseSensitive(config, key);
        cJSON_AddItemToObject(config, key, cJSON_Parse(value));
    }
    pnb_tensor_list list = {n->info, n->count};
    pnb_status status = pnb_diffusers_config_infer(&err, list, config, &c);
    cJSON_Delete(config);
    if (!part) {
        TEST_OK(&err, status);
        pnb_diffusers_config_finish(&c);
    } else if (status != PNB_ERROR_MODEL || err.status != status || !strstr(err.message, part)) {
        fail_msg("%s %s: expected '%s', found %d: %s", key, value, part, (int)status, err.message);
    }
}

static void test_configurations(void **state) {
    (void)state;
    names *n = golden_names();
    expect(n, NULL, NULL, NULL);
    expect(n, "downsample_padding", "1", NULL);
    expect(n, "act_fn", "\"swish\"", NULL);
    expect(n, "class_embed_type", "null", NULL);
    expect(n, "act_fn", "\"gelu\"", "act_fn: expected one of");
    expect(n, "_class_name", "\"UNet2DConditionModel\"", "_class_name");
    expect(n, "time_embedding_type", "\"fourier\"", "time_embedding_type");
    expect(n, "freq_shift", "2", "freq_shift: expected a whole number from 0 to 1");
    expect(n, "mid_block_scale_factor", "1.41", "mid_block_scale_factor");
    expect(n, "block_out_channels", "[8]", "down_block_types: expected a type for each");
    expect(n, "block_out_channels", "[8, -1]", "block_out_channels[1]");
    expect(n, "block_out_channels", "[8, 18]", "4 norm groups do not divide");
    expect(n, "down_block_types", "[\"DownBlock2D\", \"SkipDownBlock2D\"]", "\"SkipDownBlock2D\"");
    expect(n, "layers_per_block", "2", "is missing");
    expect(n, "resnet_time_scale_shift", "\"scale_shift\"", "should be");
    expect(n, "norm_num_groups", "3", "norm groups do not divide");
    expect(n, "attention_head_dim", "32", "heads do not divide");
    expect(n, "num_class_embeds", "10", "class_embedding.weight");
    expect(n, "class_embed_type", "\"timestep\"", "class_embed_type");
    expect(n, "out_channels", "1", "out_channels");
    expect(n, "add_attention", "false", "has no place");
    free(n);
}

/* A file of such names without config.json. */
static void test_alone(void **state) {
    (void)state;
    char path[128], text[1 << 18];
    pnb_error err = {0};
    pnb_prior *p = NULL;
    FILE *in = fopen(FOLDER "/diffusion_pytorch_model.safetensors", "rb"),
         *out = fopen(temporary("alone.safetensors", path), "wb");
    assert_true(in && out);
    size_t n = fread(text, 1, sizeof text, in);
    assert_int_equal(fwrite(text, 1, n, out), n);
    fclose(in);
    fclose(out);
    assert_int_equal(pnb_prior_load(&err, path, &p), PNB_ERROR_MODEL);
    assert_non_null(strstr(err.message, "config.json"));
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, test_device_setup, test_device_teardown);
}
