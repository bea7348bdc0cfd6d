/* The patches that a convolution's products read, block by block, against the definition: position (y, x), value (c,
 * ky, kx). */
#include "support/test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "layers/weighted/im2col.h"

static rs_rng rng;

static int64_t below(int64_t n)
{
    return (int64_t)(rs_rng_next(&rng) % (uint64_t)n);
}

static float expected(const rs_im2col_shape *g, const float *image, int64_t k, int64_t position)
{
    const rs_convolution_param *p = g->p;
    const int64_t c = k / (p->kernel_h * p->kernel_w), ky = k / p->kernel_w % p->kernel_h, kx = k % p->kernel_w;
    const int64_t y = position / g->out_width * p->stride_h + ky * p->dilation_h - p->pad_h;
    const int64_t x = position % g->out_width * p->stride_w + kx * p->dilation_w - p->pad_w;
    return y < 0 || x < 0 || y >= g->height || x >= g->width ? 0.0f : image[(c * g->height + y) * g->width + x];
}

/* Returns how many values were compared; *blocks counts blocks. A sentinel behind the block must stay. */
static int64_t check(const rs_convolution_param *p, int64_t channels, int64_t height, int64_t width, int64_t *blocks)
{
    const rs_im2col_shape g = rs_im2col_shape_of(p, channels, height, width);
    const rs_im2col_blocks b = rs_im2col_blocks_of(&g);
    const size_t size = rs_im2col_block_size(&g, &b);
    float *image = malloc((size_t)(channels * height * width) * sizeof *image),
          *patches = malloc((size + 1) * sizeof *patches);
    assert_non_null(image);
    assert_non_null(patches);
    assert_true(b.positions >= 1 && b.stride >= b.positions);
    for (int64_t i = 0; i < channels * height * width; i++)
        image[i] = (float)(1 + below(1 << 20));
    for (size_t i = 0; i <= size; i++)
        patches[i] = -1.0f;
    int64_t compared = 0;
    for (int64_t first = 0; first < g.positions; first += b.positions) {
        const int64_t n = g.positions - first < b.positions ? g.positions - first : b.positions;
        rs_im2col_block(&g, &b, image, first, n, patches);
        for (int64_t k = 0; k < g.depth; k++)
            for (int64_t i = 0; i < n; i++, compared++)
                if (patches[k * b.stride + i] != expected(&g, image, k, first + i))
                    fail_msg("%lld x %lld x %lld, kernel %d x %d, stride %d %d, pad %d %d, dilation %d %d: "
                             "patches[%lld][%lld] is %g, expected %g",
                             (long long)channels, (long long)height, (long long)width, (int)p->kernel_h,
                             (int)p->kernel_w, (int)p->stride_h, (int)p->stride_w, (int)p->pad_h, (int)p->pad_w,
                             (int)p->dilation_h, (int)p->dilation_w, (long long)k, (long long)(first + i),
                             (double)patches[k * b.stride + i], (double)expected(&g, image, k, first + i));
        ++*blocks;
    }
    assert_true(patches[size] == -1.0f);
    free(image);
    free(patches);
    return compared;
}

static rs_convolution_param kernel(int kernel_h, int kernel_w, int stride, int pad, int dilation)
{
    return (rs_convolution_param) { .out_channels = 1,
                                    .groups = 1,
                                    .kernel_h = kernel_h,
                                    .kernel_w = kernel_w,
                                    .stride_h = stride,
                                    .stride_w = stride,
                                    .pad_h = pad,
                                    .pad_w = pad,
                                    .dilation_h = dilation,
                                    .dilation_w = dilation };
}

static void test_blocks(void **state)
{
    (void)state;
    rng = (rs_rng) { .seed = rs_test_seed(), .stream = 1 };
    int64_t compared = 0, blocks = 0;
    const struct {
        rs_convolution_param p;
        int64_t channels, height, width;
    } corners[] = {
        { kernel(7, 7, 2, 3, 1), 3, 56, 64 }, /* rows of several blocks */
        { kernel(11, 11, 4, 0, 1), 3, 115, 99 },
        { kernel(3, 3, 1, 1, 1), 30, 21, 33 },
        { kernel(3, 3, 3, 0, 1), 40, 70, 61 },
        { kernel(1, 1, 1, 0, 1), 300, 23, 29 }, /* the image as it is */
        { kernel(1, 1, 2, 0, 1), 300, 43, 41 },
        { kernel(1, 5, 1, 40, 1), 90, 2, 3 }, /* padding much wider than the image */
        { kernel(2, 2, 1, 0, 9), 70, 31, 27 },
        { kernel(1, 3, 1, 1, 1), 100, 1, 1200 }, /* one row of several blocks */
        { kernel(3, 1, 1, 1, 1), 100, 1200, 1 },
        { kernel(7, 7, 1, 0, 1), 512, 7, 7 }, /* a fully connected layer's */
        { kernel(5, 5, 1, 0, 1), 300, 7, 8 },
        { kernel(2, 2, 1, 0, 700), 1, 702, 702 }, /* no room for all rows between the kernel's */
        { kernel(2, 3, 2, 400, 500), 2, 5, 601 },
    };
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
        compared += check(&corners[i].p, corners[i].channels, corners[i].height, corners[i].width, &blocks);
    for (int i = 0; i < 60; i++) {
        rs_convolution_param p = kernel(1 + (int)below(4), 1 + (int)below(4), 1, 0, 1 + (int)below(2));
        p.stride_h = 1 + (int)below(5);
        p.stride_w = 1 + (int)below(5);
        p.pad_h = (int)below(4);
        p.pad_w = (int)below(4);
        compared += check(&p, 1 + below(40), p.dilation_h * p.kernel_h + below(40),
                          p.dilation_w * p.kernel_w + below(40), &blocks);
    }
    print_message("%lld values of %lld blocks compared\n", (long long)compared, (long long)blocks);
    assert_true(compared > 500000 && blocks > 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_blocks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
