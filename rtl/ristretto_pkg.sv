// Types and sizes that several modules share. docs/reference/microarchitecture.md says what they mean.
package ristretto_pkg;
  // Values of the parameters Pe, Overflow, FirstLevel, TreeRegisters and Rounding.
  localparam int PeMultiplier = 0;
  localparam int PeShifter = 1;
  localparam int PeMinifloat = 2;
  localparam int OverflowWrap = 0;
  localparam int OverflowSaturate = 1;
  localparam int FirstLevelExact = 0;
  localparam int FirstLevelPaper = 1;
  localparam int TreeRegistersNone = 0;
  localparam int TreeRegistersEvery = 1;
  localparam int TreeRegistersEverySecond = 2;
  localparam int RoundNearest = 0;
  localparam int RoundNearestEven = 1;
  localparam int RoundNearestUp = 2;
  localparam int RoundTruncate = 3;
  // Which codes of a minifloat are no numbers (parameter Special): none, the highest magnitude, the highest exponent.
  localparam int SpecialFinite = 0;
  localparam int SpecialNan = 1;
  localparam int SpecialIeee = 2;

  // Bits of a lane among the biases with ChannelShifts: what its channel shifts more than the descriptor says.
  localparam int ChannelShiftBits = 7;

  localparam int ShiftMin = -15;
  localparam int ShiftMax = 48;

  // Values of a descriptor's mode.
  localparam int ModeWeights = 0;
  localparam int ModeDirect = 1;
  localparam int ModeMax = 2;

  // Counters that walk the ifmap: 24-bit fields of the descriptor, one bit more for the sum, one for the sign.
  localparam int ColBits = 26;
  localparam int RowBits = 18;

  // Bits of an index or a count that takes `n` values; never zero, so that it can declare a signal.
  function automatic int index_bits(input int n);
    index_bits = (n > 1) ? $clog2(n) : 1;
  endfunction

  function automatic int max_of(input int a, input int b);
    max_of = (a > b) ? a : b;
  endfunction

  function automatic int ceil_div(input int a, input int b);
    ceil_div = (a + b - 1) / b;
  endfunction

  // Width of a processing element's product; act_bits with the sign that unsigned activations need.
  function automatic int product_bits(input int pe, input int act_bits, input int wgt_bits);
    product_bits = act_bits + ((pe == PeShifter) ? (1 << (wgt_bits - 1)) : wgt_bits);
  endfunction

  // Minifloats: the code of the largest number, the bits of it as a multiple of the smallest, and the width of a product.
  function automatic int minifloat_max_code(input int exponent_bits, input int mantissa_bits, input int special);
    minifloat_max_code = (1 << (exponent_bits + mantissa_bits)) - 1 -
                         ((special == SpecialNan) ? 1 : (special == SpecialIeee) ? (1 << mantissa_bits) : 0);
  endfunction

  function automatic int minifloat_integer_bits(input int exponent_bits, input int mantissa_bits, input bit subnormals,
                                                input int special);
    minifloat_integer_bits = mantissa_bits + 1 + (minifloat_max_code(exponent_bits, mantissa_bits, special) >> mantissa_bits) -
                             (subnormals ? 1 : 0);
  endfunction

  function automatic int minifloat_product_bits(input int exponent_bits, input int mantissa_bits, input bit subnormals,
                                                input int special);
    minifloat_product_bits = 2 * minifloat_integer_bits(exponent_bits, mantissa_bits, subnormals, special) + 1;
  endfunction

  // Width behind the adder tree over `inputs` words of `in_bits` bits.
  function automatic int tree_bits(input int inputs, input int in_bits, input int first_level);
    tree_bits = in_bits + $clog2(inputs) + ((inputs > 1 && first_level == FirstLevelPaper) ? 1 : 0);
  endfunction

  // Register stages inside the tree.
  function automatic int tree_stages(input int inputs, input int tree_regs);
    case (tree_regs)
      TreeRegistersEvery: tree_stages = $clog2(inputs);
      TreeRegistersEverySecond: tree_stages = $clog2(inputs) / 2;
      default: tree_stages = 0;
    endcase
  endfunction

  // Banks of a buffer that reads and writes so many consecutive elements at once.
  function automatic int banks(input int reads, input int writes);
    banks = 1 << $clog2(max_of(reads, writes));
  endfunction

  // The same where a number may be asked for; 0: none is.
  function automatic int banks_of(input int reads, input int writes, input int asked);
    banks_of = (asked == 0) ? banks(reads, writes) : asked;
  endfunction

  // Rows of a bank in one half of a buffer of `depth` elements.
  function automatic int bank_rows(input int depth, input int n_banks);
    bank_rows = ceil_div(depth, n_banks);
  endfunction

  // Bits of an element address: one that counts banks * rows elements, rounded up to whole powers of two.
  function automatic int element_bits(input int depth, input int n_banks);
    element_bits = $clog2(n_banks) + index_bits(bank_rows(depth, n_banks));
  endfunction

  // Bits of the structures in ristretto_types.svh; DescBits is with the descriptor below.
  localparam int StepBits = 78;
  localparam int PhaseBits = 58;

  // BEGIN generated by scripts/gen-descriptor from sim/program/descriptor.def
  localparam int DescWords = 63;
  localparam int DescBits = 976;

  // Word numbers of the fields.
  localparam int WordMode = 0;
  localparam int WordGroups = 1;
  localparam int WordGroupsPerSet = 2;
  localparam int WordLanesSet = 3;
  localparam int WordLanesLast = 4;
  localparam int WordSetCols = 5;
  localparam int WordOutChannels = 6;
  localparam int WordOutH = 7;
  localparam int WordOutW = 8;
  localparam int WordConvH = 9;
  localparam int WordConvW = 10;
  localparam int WordPoolH = 11;
  localparam int WordPoolW = 12;
  localparam int WordPoolStrideH = 13;
  localparam int WordPoolStrideW = 14;
  localparam int WordInRows = 15;
  localparam int WordRowElems = 16;
  localparam int WordOriginRow = 17;
  localparam int WordOriginCol = 18;
  localparam int WordStepRow = 19;
  localparam int WordStepCol = 20;
  localparam int WordSeg1Count = 21;
  localparam int WordSeg1Rows = 22;
  localparam int WordSeg2Count = 23;
  localparam int WordSeg2Cols = 24;
  localparam int WordSegLen = 25;
  localparam int WordChunks = 26;
  localparam int WordSteps = 27;
  localparam int WordAlign = 28;
  localparam int WordAlignSecond = 29;
  localparam int WordScale = 30;
  localparam int WordScaleRight = 31;
  localparam int WordScaleBottom = 32;
  localparam int WordScaleCorner = 33;
  localparam int WordShift = 34;
  localparam int WordShiftRight = 35;
  localparam int WordShiftBottom = 36;
  localparam int WordShiftCorner = 37;
  localparam int WordInUnsigned = 38;
  localparam int WordOutUnsigned = 39;
  localparam int WordRelu = 40;
  localparam int WordOutBits = 41;
  localparam int WordWaitStored = 42;
  localparam int WordIfmapAddr = 43;
  localparam int WordIfmapBeats = 44;
  localparam int WordSecondAddr = 45;
  localparam int WordSecondBeats = 46;
  localparam int WordWeightAddr = 47;
  localparam int WordBiasBeats = 48;
  localparam int WordBiasBeatsLast = 49;
  localparam int WordStepBeats = 50;
  localparam int WordStepBeatsLast = 51;
  localparam int WordOfmapAddr = 52;
  localparam int WordOfmapBeats = 53;
  localparam int WordRunBeats = 54;
  localparam int WordRunSkip = 55;
  localparam int WordOriginElems = 56;
  localparam int WordStepRowElems = 57;
  localparam int WordSeg1Elems = 58;
  localparam int WordWindowRows = 59;
  localparam int WordWindowRowElems = 60;
  localparam int WordWindowCols = 61;
  localparam int WordOfmapLastElems = 62;

  function automatic int desc_bits(input int word);
    case (word)
      0: desc_bits = 2;
      1: desc_bits = 16;
      2: desc_bits = 16;
      3: desc_bits = 8;
      4: desc_bits = 8;
      5: desc_bits = 24;
      6: desc_bits = 16;
      7: desc_bits = 16;
      8: desc_bits = 16;
      9: desc_bits = 16;
      10: desc_bits = 16;
      11: desc_bits = 8;
      12: desc_bits = 8;
      13: desc_bits = 8;
      14: desc_bits = 8;
      15: desc_bits = 16;
      16: desc_bits = 24;
      17: desc_bits = 16;
      18: desc_bits = 24;
      19: desc_bits = 8;
      20: desc_bits = 24;
      21: desc_bits = 8;
      22: desc_bits = 8;
      23: desc_bits = 8;
      24: desc_bits = 24;
      25: desc_bits = 24;
      26: desc_bits = 16;
      27: desc_bits = 16;
      28: desc_bits = 5;
      29: desc_bits = 5;
      30: desc_bits = 16;
      31: desc_bits = 16;
      32: desc_bits = 16;
      33: desc_bits = 16;
      34: desc_bits = 7;
      35: desc_bits = 7;
      36: desc_bits = 7;
      37: desc_bits = 7;
      38: desc_bits = 1;
      39: desc_bits = 1;
      40: desc_bits = 1;
      41: desc_bits = 5;
      42: desc_bits = 16;
      43: desc_bits = 32;
      44: desc_bits = 24;
      45: desc_bits = 32;
      46: desc_bits = 24;
      47: desc_bits = 32;
      48: desc_bits = 8;
      49: desc_bits = 8;
      50: desc_bits = 16;
      51: desc_bits = 16;
      52: desc_bits = 32;
      53: desc_bits = 24;
      54: desc_bits = 24;
      55: desc_bits = 24;
      56: desc_bits = 24;
      57: desc_bits = 24;
      58: desc_bits = 24;
      59: desc_bits = 16;
      60: desc_bits = 24;
      61: desc_bits = 24;
      62: desc_bits = 16;
      default: desc_bits = 1;
    endcase
  endfunction

  function automatic int desc_lsb(input int word);
    case (word)
      0: desc_lsb = 0;
      1: desc_lsb = 2;
      2: desc_lsb = 18;
      3: desc_lsb = 34;
      4: desc_lsb = 42;
      5: desc_lsb = 50;
      6: desc_lsb = 74;
      7: desc_lsb = 90;
      8: desc_lsb = 106;
      9: desc_lsb = 122;
      10: desc_lsb = 138;
      11: desc_lsb = 154;
      12: desc_lsb = 162;
      13: desc_lsb = 170;
      14: desc_lsb = 178;
      15: desc_lsb = 186;
      16: desc_lsb = 202;
      17: desc_lsb = 226;
      18: desc_lsb = 242;
      19: desc_lsb = 266;
      20: desc_lsb = 274;
      21: desc_lsb = 298;
      22: desc_lsb = 306;
      23: desc_lsb = 314;
      24: desc_lsb = 322;
      25: desc_lsb = 346;
      26: desc_lsb = 370;
      27: desc_lsb = 386;
      28: desc_lsb = 402;
      29: desc_lsb = 407;
      30: desc_lsb = 412;
      31: desc_lsb = 428;
      32: desc_lsb = 444;
      33: desc_lsb = 460;
      34: desc_lsb = 476;
      35: desc_lsb = 483;
      36: desc_lsb = 490;
      37: desc_lsb = 497;
      38: desc_lsb = 504;
      39: desc_lsb = 505;
      40: desc_lsb = 506;
      41: desc_lsb = 507;
      42: desc_lsb = 512;
      43: desc_lsb = 528;
      44: desc_lsb = 560;
      45: desc_lsb = 584;
      46: desc_lsb = 616;
      47: desc_lsb = 640;
      48: desc_lsb = 672;
      49: desc_lsb = 680;
      50: desc_lsb = 688;
      51: desc_lsb = 704;
      52: desc_lsb = 720;
      53: desc_lsb = 752;
      54: desc_lsb = 776;
      55: desc_lsb = 800;
      56: desc_lsb = 824;
      57: desc_lsb = 848;
      58: desc_lsb = 872;
      59: desc_lsb = 896;
      60: desc_lsb = 912;
      61: desc_lsb = 936;
      62: desc_lsb = 960;
      default: desc_lsb = 976;
    endcase
  endfunction
  // END generated
endpackage
