# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A piece of `lstm_native_amx_source`: a single row is multiplied by vectors, to the same bits as by tiles."""

ONE_ROW_SOURCE = r"""
// Sums of 16 columns of a block, x (PARTS, TERMS), the row's parts in float32, times w (TERMS, HALF), added to `sums`. Rounded
// as Intel's manual says of TDPBF16PS: even and odd terms are summed each on their own, by fused multiplication and
// addition from zero, and both sums together are added to what stood there. Asks for as many lines of `ahead` as it reads.
INLINE __m512 one_row_block(const float *x, const float *w, const char *ahead, __m512 sums)
{
    const __m512i upper = _mm512_set1_epi32(0xffff0000);
    __m512 products[2][6];
#pragma GCC unroll 12
    for (int p = 0; p < 12; p++)
        products[p / 6][p % 6] = _mm512_setzero_ps();
    for (int k = 0; k < TERMS; k += 2)
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++) {
            // The parts as `split_weights` makes them; 8 bits are left for the third.
            __m512 all = _mm512_loadu_ps(w + (k + odd) * HALF);
            __m512 first = (__m512)_mm512_and_si512((__m512i)all, upper), rest = all - first;
            __m512 second = (__m512)_mm512_and_si512((__m512i)rest, upper), third = rest - second;
            __m512 x0 = _mm512_set1_ps(x[k + odd]), x1 = _mm512_set1_ps(x[TERMS + k + odd]);
            __m512 x2 = _mm512_set1_ps(x[2 * TERMS + k + odd]), *to = products[odd];
            __builtin_prefetch(ahead + (k + odd) * 64, 0, 3);
            to[0] = _mm512_fmadd_ps(x0, first, to[0]);
            to[1] = _mm512_fmadd_ps(x0, second, to[1]);
            to[2] = _mm512_fmadd_ps(x0, third, to[2]);
            to[3] = _mm512_fmadd_ps(x1, first, to[3]);
            to[4] = _mm512_fmadd_ps(x1, second, to[4]);
            to[5] = _mm512_fmadd_ps(x2, first, to[5]);
        }
#pragma GCC unroll 6
    for (int p = 0; p < 6; p++)
        sums += products[0][p] + products[1][p];
    return sums;
}

// sums (HALF) of so many blocks; `after` is the block that comes then.
SEPARATE void one_row_sums(const float *x, const float *w, int64_t blocks, const float *after, float *sums)
{
    __m512 left = _mm512_setzero_ps(), right = left;
    for (int64_t b = 0; b < blocks; b++, x += PARTS * TERMS, w += TERMS * HALF) {
        const char *ahead = (const char *)(b + 1 < blocks ? w + TERMS * HALF : after);
        left = one_row_block(x, w, ahead, left);
        right = one_row_block(x, w + 16, ahead + TERMS * 64, right);
    }
    _mm512_storeu_ps(sums, left);
    _mm512_storeu_ps(sums + 16, right);
}

// `half_panel` for one row.
SEPARATE void half_panel_of_one(const float *x, const float *w, int64_t blocks, const float *after, float *out, int add)
{
    float sums[HALF];
    for (int64_t start = 0; start < blocks; start += SLOTS, x += SLOTS * PARTS * TERMS, w += SLOTS * TERMS * HALF) {
        const float *next = start + SLOTS < blocks || !after ? w + SLOTS * TERMS * HALF : after;
        // As in tiles, whatever the process has set: rounded to the nearest, and numbers below the least normal one are zero.
        const unsigned usual = _mm_getcsr();
        _mm_setcsr(0x1f80 | 0x8000 | 0x0040);
        one_row_sums(x, w, least(SLOTS, blocks - start), next, sums);
        _mm_setcsr(usual);
        put_sums(sums, out, add || start);
    }
}
"""
