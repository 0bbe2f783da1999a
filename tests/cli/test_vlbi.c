/* An observation simulated, read again and solved by the command: the files, their coordinates (by astropy; skipped,
 * and said so, where it is missing), the numbers in run.json. The prior is a network with random weights: nothing is
 * said about the image. */
#include "cli/command.h"

#include <math.h>

#ifdef PNB_CFITSIO
#define OBSERVATION "obs.uvfits"
#else
#define OBSERVATION "obs.csv"
#endif

enum { N = 16 };

static const char observation[] =
    "{\"array\": \"" PNB_SOURCE_DIR "/assets/eht2017.csv\", \"source\": {\"name\": \"M87\", \"ra_deg\": 187.70593, "
    "\"dec_deg\": 12.39112}, \"mjd\": 57848, \"start_hours\": 1, \"stop_hours\": 7, \"interval_seconds\": 1800, "
    "\"integration_seconds\": 300, \"phases\": \"random\", \"gain_scan\": 0.1, \"fov_uas\": 128, \"flux_jy\": 0.6}";

/* A ring of 40 micro-arcseconds, brighter in the south. */
static void write_truth(const char *path) {
    float x[N * N];
    pnb_error err = {0};
    for (int i = 0; i < N * N; i++) {
        double east = (7.5 - i % N) * 8, north = (7.5 - i / N) * 8, r = hypot(east, north) - 20;
        x[i] = (float)(2 * exp(-r * r / 80) * (0.7 - 0.3 * north / 30) - 1);
        x[i] = x[i] > 1 ? 1 : x[i];
    }
    assert_int_equal(pnb_npy_write(&err, path, 3, (uint64_t[]){1, N, N}, x), PNB_OK);
}

static double number(const cJSON *json, const char *a, const char *b) {
    const cJSON *inner = cJSON_GetObjectItem(json, a), *value = b ? cJSON_GetObjectItem(inner, b) : inner;
    if (!cJSON_IsNumber(value)) fail_msg("%s.%s is no number", a, b ? b : "");
    return value->valuedouble;
}

static void check_run(const char *path) {
    cJSON *run = read_json(path), *terms = cJSON_GetObjectItem(run, "chi2_terms");
    assert_int_equal(cJSON_GetArraySize(terms), 2);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(terms, "closure_phase")), 2);
    cJSON *observed = cJSON_GetObjectItem(run, "observation");
    assert_true(number(observed, "visibilities", NULL) > 50 && number(observed, "times", NULL) == 12);
    assert_true(number(observed, "dropped", "intrasite") > 0 && number(observed, "restoring_beam", "major_uas") > 10);
    cJSON *ring = cJSON_GetObjectItem(run, "ring");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(ring, "diameter_uas"), "samples")), 2);
    assert_true(number(ring, "diameter_uas", "mean") > 0 && number(ring, "width_uas", "std") >= 0);
    cJSON_Delete(run);
}

/* What the mean's file says of its place, and of the brightness: each sample holds the flux that was asked for. */
static void check_coordinates(void) {
    const char *python = access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
    char command[1500];
    snprintf(command, sizeof command, "%s -c 'import astropy' 2>/dev/null", python);
    if (system(command) != 0) {
        fprintf(stderr, "skipped: there is no astropy (Debian: python3-astropy)\n");
        return;
    }
    write_text(
        "check.py",
        "from astropy.io import fits\nfrom astropy.wcs import WCS\nimport numpy as np\n"
        "m = fits.open('out/mean.fits')[0]; s = fits.open('out/samples.fits')[0]; d = fits.open('out/dirty.fits')[0]\n"
        "x = np.load('out/samples.npy')\n"
        "assert m.data.shape == (16, 16) and s.data.shape == (2, 16, 16) and d.header['BUNIT'] == 'JY/BEAM'\n"
        "assert m.header['BUNIT'] == 'JY/PIXEL' and abs(m.header['PIXUAS'] - 8) < 1e-9 and m.header['OBJECT'] == "
        "'M87'\n"
        "assert np.allclose(s.data.sum(axis=(1, 2)), 0.6, rtol=1e-5) and np.allclose(s.data.mean(axis=0), m.data, "
        "atol=1e-7)\n"
        "b = (x[1, 0] + 1) / 2; b = 0.6 * b / b.sum()\n"
        "assert np.allclose(s.data[1][::-1], b, atol=1e-6)\n"
        "w = WCS(m.header); uas = 1 / 3.6e9\n"
        "ra, dec = w.pixel_to_world_values(7.5, 7.5); assert abs(ra - 187.70593) < 1e-11 and abs(dec - 12.39112) < "
        "1e-11\n"
        "ra, dec = w.pixel_to_world_values(0, 15)\n"
        "assert abs((ra - 187.70593) * np.cos(np.radians(12.39112)) / uas - 60) < 0.1 and abs((dec - 12.39112) / uas - "
        "60) < 0.1\n"
        "beam = fits.open('out/beam.fits')[0].data; assert 0.5 < beam.max() <= 1\n");
    snprintf(command, sizeof command, "%s -W ignore check.py", python);
    assert_int_equal(system(command), 0);
}

/* Scores against the truth: of the closures as the run has them, of images as the problem with a truth would have them. */
static void check_scores(shell *s) {
    RUN_OK(s, "eval out --truth truth.npy --json scores.json");
    cJSON *scores = read_json("scores.json"), *run = read_json("out/run.json");
    const cJSON *chi2 = cJSON_GetObjectItem(cJSON_GetObjectItem(run, "chi2_terms"), "closure_phase"), *one;
    double best = INFINITY, sum = 0;
    cJSON_ArrayForEach(one, chi2) {
        double normalised = one->valuedouble < 1 ? 1 / one->valuedouble : one->valuedouble;
        best = normalised < best ? normalised : best;
        sum += normalised / 2;
    }
    assert_true(fabs(number(scores, "chi2_closure_phase_best", NULL) - best) < 1e-6 * best);
    assert_true(fabs(number(scores, "chi2_closure_phase_samples", NULL) - sum) < 1e-6 * sum);
    assert_true(fabs(number(run, "scores", "chi2_closure_phase_best") - best) < 1e-6 * best);
    assert_true(number(scores, "chi2_log_closure_amplitude_best", NULL) >= 1);
    assert_true(number(scores, "psnr_aligned_mean", NULL) >= number(scores, "psnr_mean", NULL) - 0.5); /* the grid of shifts misses 0 */
    assert_true(number(scores, "psnr_blurred_20uas_best", NULL) > number(scores, "psnr_aligned_best", NULL));
    assert_true(number(scores, "psnr_blurred_10uas_mean", NULL) < number(scores, "psnr_blurred_20uas_mean", NULL));
    cJSON_Delete(scores);
    cJSON_Delete(run);
}

static void test_from_truth_to_fits(void **state) {
    shell *s = *state;
    write_truth("truth.npy");
    write_text("observation.json", observation);
    RUN_OK(s, "simulate --observation observation.json --x truth.npy -o " OBSERVATION);
    write_text(
        "problem.json",
        "{\"prior\": {\"type\": \"random\", \"network\": \"garments\"}, \"size\": [16, 16], \"operator\": {\"type\": "
        "\"vlbi\", "
        "\"file\": \"" OBSERVATION "\", \"fov_uas\": 128, \"flux_jy\": 0.6, \"intrasite\": false, "
        "\"data\": [\"closure_phase\", \"log_closure_amplitude\"]}, \"method\": {\"type\": \"reddiff\", \"steps\": 5, "
        "\"particles\": 2, \"init_std\": 0.1}, \"seed\": 3}");
    RUN_OK(s, "solve problem.json -o out --quiet");
    check_run("out/run.json");
    check_scores(s);
    static const char *const files[] = {"out/dirty.png", "out/uv.png", "out/residuals.csv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) assert_true(file_exists(files[i]));
#ifdef PNB_CFITSIO
    check_coordinates();
#else
    (void)check_coordinates;
#endif
    /* The run's own record runs again, over its results. */
    RUN_OK(s, "solve out/run.json -o out --overwrite --quiet");
}

static void test_refusals(void **state) {
    shell *s = *state;
    static const struct {
        const char *json, *sentence;
    } cases[] = {
        {"{}", "observation.json: array: missing"},
        {"{\"array\": \"none.csv\", \"source\": {\"ra_deg\": 1, \"dec_deg\": 2}, \"mjd\": 57848, \"fov_uas\": 100, "
         "\"flux_jy\": 1}",
         "none.csv"},
        {"{\"array\": \"none.csv\", \"source\": {\"ra_deg\": 1, \"dec_deg\": 2}, \"mjd\": 57848, \"fov_uas\": 100}",
         "flux_jy or peak_jy"},
        {"{\"array\": \"none.csv\", \"source\": {\"ra_deg\": 1, \"dec_deg\": 200}, \"mjd\": 57848, \"fov_uas\": 100}",
         "dec_deg"},
        {"{\"arrays\": \"none.csv\"}", "did you mean 'array'"},
    };
    write_truth("truth.npy");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text("observation.json", cases[i].json);
        expect_failure(s, NULL, "simulate --observation observation.json --x truth.npy -o bad.csv", PNB_ERROR_INPUT,
                       cases[i].sentence);
        assert_false(file_exists("bad.csv"));
    }
    expect_failure(s, NULL, "simulate --observation a --problem b --x truth.npy -o bad.csv", PNB_ERROR_USAGE,
                   "not both");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_from_truth_to_fits), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, shell_setup, shell_teardown);
}
