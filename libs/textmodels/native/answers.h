/* What every model answers for a text, and the last steps to it: labels, and half floats. */

#ifndef ANSWERS_H
#define ANSWERS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define PROJECTED 64 /* numbers that a text is projected to */

/* Where the answers for one text go. */
typedef struct {
    float *scores;
    int64_t *label;
    int32_t *tokens;
    float *unknown_share;
    uint8_t *truncated;
    uint16_t *projection; /* [PROJECTED] half floats; NULL: not wanted */
} Answer;

/* The nearest half float, of two the even one, as numpy rounds. */
static inline uint16_t to_half(double value)
{
    const uint64_t smallest_normal = (uint64_t)(1023 - 14) << 52;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    bits &= UINT64_MAX >> 1;
    if (bits < smallest_normal) /* whole multiples of 2^-24 */
        return sign | (uint16_t)rint(ldexp(fabs(value), 24));
    if (value != value)
        return sign | 0x7e00;
    if (fabs(value) >= 65520)
        return sign | 0x7c00;
    bits -= (uint64_t)(1023 - 15) << 52;
    return sign | (uint16_t)((bits + 0x1ffffffffffu + (bits >> 42 & 1)) >> 42);
}

static double sigmoid(double decision)
{
    if (decision >= 0)
        return 1 / (1 + exp(-decision));
    double power = exp(decision);
    return power / (1 + power);
}

/* Writes the probabilities and the best label; the first of equals, as numpy's argmax.
 * One output tells two labels apart. `decision` is used up. */
static void answer_labels(double *decision, uint32_t outputs, const Answer *answer)
{
    if (outputs == 1) {
        double second = sigmoid(decision[0]);
        answer->scores[0] = (float)(1 - second);
        answer->scores[1] = (float)second;
        *answer->label = second > 1 - second;
        return;
    }
    uint32_t best = 0;
    double total = 0;
    for (uint32_t label = 1; label < outputs; label++) {
        if (decision[label] > decision[best])
            best = label;
    }
    double highest = decision[best];
    for (uint32_t label = 0; label < outputs; label++)
        total += decision[label] = exp(decision[label] - highest);
    for (uint32_t label = 0; label < outputs; label++)
        answer->scores[label] = (float)(decision[label] / total);
    *answer->label = best;
}

#endif
