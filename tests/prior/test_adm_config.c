/* The structure of a U-Net from its tensors' names: counts, switches, and what is wrong with a wrong list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

#include "prior/adm_config.h"

static names *list_of(pnb_adm_config c) {
    names *n = calloc(1, sizeof *n);
    assert_non_null(n);
    assert_int_equal(pnb_adm_config_lay_out(NULL, &c), PNB_OK);
    assert_int_equal(pnb_unet_tensors(&c.unet, collect, n), PNB_OK);
    pnb_adm_config_finish(&c);
    return n;
}

static pnb_adm_config base(void) {
    return (pnb_adm_config){.in_channels = 3,
                            .out_channels = 6,
                            .model_channels = 32,
                            .res_blocks = 2,
                            .levels = 3,
                            .channels = {32, 64, 64},
                            .attention = {false, true, false},
                            .scale_shift = true,
                            .resblock_updown = true,
                            .conv_resample = true,
                            .head_channels = 32};
}

static pnb_tensor_info *find(names *n, const char *name) {
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->info[i].name, name) == 0) return &n->info[i];
    fail_msg("there is no %s", name);
    return NULL;
}

/* The published count of the wide_level fixture's configuration, and of a hand-counted one. */
static void test_count(void **state) {
    (void)state;
    pnb_adm_config c = {.in_channels = 3,
                        .out_channels = 3,
                        .model_channels = 32,
                        .res_blocks = 1,
                        .levels = 2,
                        .channels = {32, 64},
                        .attention = {false, true},
                        .scale_shift = true,
                        .conv_resample = true,
                        .head_channels = 32};
    assert_int_equal(pnb_adm_config_lay_out(NULL, &c), PNB_OK);
    assert_int_equal(pnb_unet_parameters(&c.unet), 756163);
    pnb_adm_config_finish(&c);
    c = (pnb_adm_config){.in_channels = 3,
                         .out_channels = 6,
                         .model_channels = 128,
                         .res_blocks = 1,
                         .levels = 6,
                         .channels = {128, 128, 256, 256, 512, 512},
                         .attention = {0, 0, 0, 0, true, false},
                         .scale_shift = true,
                         .resblock_updown = true,
                         .conv_resample = true,
                         .head_channels = 64};
    assert_int_equal(pnb_adm_config_lay_out(NULL, &c), PNB_OK);
    assert_int_equal(pnb_unet_parameters(&c.unet), 93563910); /* FFHQ-256 */
    pnb_adm_config_finish(&c);
    c = (pnb_adm_config){.in_channels = 3,
                         .out_channels = 6,
                         .model_channels = 256,
                         .res_blocks = 2,
                         .levels = 6,
                         .channels = {256, 256, 512, 512, 1024, 1024},
                         .attention = {0, 0, 0, true, true, true},
                         .scale_shift = true,
                         .resblock_updown = true,
                         .conv_resample = true,
                         .head_channels = 64};
    assert_int_equal(pnb_adm_config_lay_out(NULL, &c), PNB_OK);
    assert_int_equal(pnb_unet_parameters(&c.unet), 552814086); /* ImageNet-256, unconditional */
    pnb_adm_config_finish(&c);
}

/* From a configuration to names and back, over all switches. */
static void test_round_trip(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 64; bits++) {
        pnb_adm_config c = base(), got;
        c.scale_shift = bits & 1;
        c.resblock_updown = bits & 2;
        c.conv_resample = bits & 2 || bits & 4; /* does not show with residual resampling */
        c.classes = bits & 8 ? 10 : 0;
        c.res_blocks = bits & 16 ? 1 : 3;
        c.levels = bits & 32 ? 1 : 3;
        c.attention[2] = bits & 16;
        if (c.levels == 1) {
            c.resblock_updown = false;
            c.conv_resample = true;
        }
        names *n = list_of(c);
        pnb_error err = {0};
        pnb_adm_hints hints = {.heads = 4, .new_order = bits & 1};
        if (pnb_adm_config_infer(&err, n->info, n->count, hints, &got) != PNB_OK)
            fail_msg("case %u: %s", bits, err.message);
        assert_int_equal(got.in_channels, 3);
        assert_int_equal(got.out_channels, 6);
        assert_int_equal(got.levels, c.levels);
        assert_int_equal(got.res_blocks, c.res_blocks);
        assert_int_equal(got.classes, c.classes);
        assert_int_equal(got.scale_shift, c.scale_shift);
        assert_int_equal(got.resblock_updown, c.resblock_updown);
        assert_int_equal(got.conv_resample, c.conv_resample);
        assert_memory_equal(got.channels, c.channels, c.levels * sizeof c.channels[0]);
        assert_memory_equal(got.attention, c.attention, c.levels * sizeof c.attention[0]);
        assert_int_equal(got.heads, 4);
        pnb_adm_config_finish(&got);
        free(n);
    }
}

static void test_heads(void **state) {
    (void)state;
    pnb_adm_config c;
    names *n = list_of(base());
    assert_int_equal(pnb_adm_config_infer(NULL, n->info, n->count, (pnb_adm_hints){0}, &c), PNB_OK);
    assert_int_equal(c.head_channels, 32); /* a small network */
    char text[512];
    pnb_adm_config_text(&c, text, sizeof text);
    assert_non_null(strstr(text, "32 channels a head (assumed)"));
    assert_non_null(strstr(text, "attention at 1/2, middle"));
    pnb_adm_config_finish(&c);
    assert_int_equal(
        pnb_adm_config_infer(NULL, n->info, n->count, (pnb_adm_hints){.head_channels = -1, .heads = 2}, &c), PNB_OK);
    for (size_t i = 0; i < c.unet.n_layers; i++)
        if (c.unet.layers[i].kind == PNB_UNET_ATTENTION) assert_int_equal(c.unet.layers[i].heads, 2);
    pnb_adm_config_text(&c, text, sizeof text);
    assert_non_null(strstr(text, "2 heads,"));
    pnb_adm_config_finish(&c);
    pnb_error err = {0};
    assert_int_equal(pnb_adm_config_infer(&err, n->info, n->count, (pnb_adm_hints){.heads = 3}, &c), PNB_ERROR_MODEL);
    assert_non_null(strstr(err.message, "num_heads"));
    free(n);
}

static void expect(names *n, const char *part) {
    pnb_error err = {0};
    pnb_adm_config c;
    assert_int_equal(pnb_adm_config_infer(&err, n->info, n->count, (pnb_adm_hints){0}, &c), PNB_ERROR_MODEL);
    if (!strstr(err.message, part)) fail_msg("expected '%s' in: %s", part, err.message);
    assert_null(c.unet.layers);
}

static void test_refuses(void **state) {
    (void)state;
    names *n = list_of(base());
    pnb_tensor_info *t = find(n, "output_blocks.3.0.out_layers.3.bias"), kept = *t;
    t->name = "output_blocks.3.0.out_layers.3.bia";
    expect(n, "'output_blocks.3.0.out_layers.3.bias' is missing");
    *t = kept;
    t->shape[0]++;
    expect(n, "'output_blocks.3.0.out_layers.3.bias' should be [64], found [65]");
    *t = kept;
    t->rank = 2;
    t->shape[1] = 1;
    expect(n, "found [64,1]");
    *t = kept;
    n->info[n->count] = (pnb_tensor_info){.name = "extra.weight", .rank = 1, .shape = {3}};
    n->count++;
    expect(n, "'extra.weight' has no place");
    n->count--;
    t = find(n, "input_blocks.1.0.in_layers.0.weight");
    kept = *t;
    t->name = "x";
    expect(n, "");
    *t = kept;
    find(n, "time_embed.0.weight")->name = "y";
    expect(n, "'time_embed.0.weight' is missing");
    n->count = 0;
    expect(n, "missing");
    free(n);
    n = list_of(base());
    find(n, "input_blocks.4.0.out_layers.3.weight")->shape[0] = 48; /* it tells the channels of level 1 */
    expect(n, "48 channels, which 32 norm groups do not divide");
    free(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_count), cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_heads), cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
