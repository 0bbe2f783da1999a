/* The structure of a SongUNet from its tensors' names: the published count, and what is wrong with a wrong list. */
#include "device.h"

#include "prior/edm_config.h"
#include "names.h"
#include "rig.h"

/* InverseBench's black-hole network, 64x64. */
static names *blackhole(void) {
    names *n = calloc(1, sizeof *n);
    assert_non_null(n);
    song_tensors(&(song){collect, n, 64, 1, 128, 3, {1, 2, 2}, 2});
    return n;
}

static pnb_tensor_list list_of(const names *n) {
    return (pnb_tensor_list){n->info, n->count};
}

static pnb_tensor_info *find(names *n, const char *name) {
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->info[i].name, name) == 0) return &n->info[i];
    fail_msg("there is no %s", name);
    return NULL;
}

static void test_blackhole(void **state) {
    (void)state;
    names *n = blackhole();
    pnb_edm_config c;
    pnb_error err = {0};
    TEST_OK(&err, pnb_edm_config_infer(&err, list_of(n), 64, &c));
    assert_int_equal(pnb_unet_parameters(&c.unet), 20041217);
    assert_true(c.song && c.unet.sin_first && c.unet.endpoint && !c.unet.scale_shift);
    assert_int_equal(c.side, 64);
    assert_int_equal(c.unet.levels, 3);
    assert_int_equal(c.unet.embedding, 512);
    char levels[PNB_UNET_TEXT_SIZE], attention[PNB_UNET_TEXT_SIZE];
    pnb_unet_text(&c.unet, levels, attention);
    assert_string_equal(levels, "128,256,256");
    assert_string_equal(attention, "1/4, ");
    for (size_t i = 0; i < c.unet.n_layers; i++)
        if (c.unet.layers[i].kind == PNB_UNET_ATTENTION) assert_int_equal(c.unet.layers[i].heads, 1);
    pnb_edm_config_finish(&c);
    pnb_edm_config_finish(&c);
    free(n);
}

static void expect(const names *n, const char *part) {
    pnb_error err = {0};
    pnb_edm_config c;
    assert_int_equal(pnb_edm_config_infer(&err, list_of(n), 64, &c), PNB_ERROR_MODEL);
    if (!strstr(err.message, part)) fail_msg("expected '%s' in: %s", part, err.message);
    assert_null(c.unet.layers);
}

static void test_refuses(void **state) {
    (void)state;
    names *n = blackhole();
    pnb_tensor_info *t = find(n, "dec.32x32_block1.norm1.bias"), kept = *t;
    t->name = "dec.32x32_block1.norm1.bia";
    expect(n, "'dec.32x32_block1.norm1.bias' is missing");
    *t = kept;
    t->shape[0]++;
    expect(n, "should be [256], found [257]");
    *t = kept;
    t = find(n, "enc.64x64_conv.weight");
    kept = *t;
    t->name = "enc.conv.weight";
    expect(n, "enc.<side>x<side>_conv.weight");
    *t = kept;
    t = find(n, "dec.64x64_block1.norm0.weight");
    kept = *t;
    t->name = "x";
    expect(n, "skips are left");
    *t = kept;
    t = find(n, "enc.32x32_down.conv0.resample_filter");
    kept = *t;
    t->shape[2] = t->shape[3] = 4;
    expect(n, "no 2x2 filter");
    *t = kept;
    find(n, "map_layer0.weight")->name = "map_noise.freqs";
    expect(n, "Fourier");
    free(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blackhole), cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
