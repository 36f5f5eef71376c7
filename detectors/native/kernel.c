/* The kernel with the instructions every machine of the architecture has. */

#include "text.h"
#include "runs.h"
#include "tiles.h"
#include "numbers.h"
#include "marks.h"

const Kernel kernel_plain = {numbers, marks, lines};
