// Sum of INPUTS signed words. Each instance is one level: it adds neighbours and leaves the rest of the tree to an
// instance of half the size, so that the words widen by one bit a level (FIRST_LEVEL paper: the first one by two).
// An odd word at the end is passed on. TREE_REGS puts registers behind every level, or behind levels 2, 4, ...
module rst_adder_tree #(
  parameter int INPUTS = 16,
  parameter int IN_BITS = 16,
  parameter int FIRST_LEVEL = ristretto_pkg::FirstLevelExact,
  parameter int TREE_REGS = ristretto_pkg::TreeRegsNone,
  parameter int LEVEL = 1,         // of this instance, the products being level 0
  parameter int OUT_BITS = ristretto_pkg::tree_bits(INPUTS, IN_BITS, FIRST_LEVEL),
  parameter int EN_BITS = ristretto_pkg::max_of(ristretto_pkg::tree_stages(INPUTS, TREE_REGS), 1)
) (
  input  logic                              clk_i,
  input  logic [EN_BITS-1:0]                en_i,   // of the register stages, first to last
  input  logic [INPUTS*IN_BITS-1:0]         data_i,
  output logic signed [OUT_BITS-1:0]        sum_o
);
  if (INPUTS == 1) begin : gen_root
    logic unused;
    assign unused = clk_i ^ (^en_i);
    assign sum_o = $signed(data_i);
  end else begin : gen_level
    localparam int Sums = (INPUTS + 1) / 2;
    localparam int SumBits = IN_BITS + 1 + ((FIRST_LEVEL == ristretto_pkg::FirstLevelPaper) ? 1 : 0);
    localparam bit Registered = (TREE_REGS == ristretto_pkg::TreeRegsEvery) ||
                                (TREE_REGS == ristretto_pkg::TreeRegsEverySecond && LEVEL % 2 == 0);
    localparam int EnBelow = (Registered && EN_BITS > 1) ? 1 : 0;

    logic [Sums*SumBits-1:0] sums, sums_below;

    for (genvar i = 0; i < Sums; i++) begin : gen_sum
      logic signed [IN_BITS-1:0] left;
      assign left = data_i[2*i*IN_BITS +: IN_BITS];
      if (2 * i + 1 < INPUTS) begin : gen_add
        logic signed [IN_BITS-1:0] right;
        assign right = data_i[(2*i+1)*IN_BITS +: IN_BITS];
        assign sums[i*SumBits +: SumBits] = SumBits'(left) + SumBits'(right);
      end else begin : gen_pass
        assign sums[i*SumBits +: SumBits] = SumBits'(left);
      end
    end

    if (Registered) begin : gen_registers
      always_ff @(posedge clk_i) begin
        if (en_i[0]) sums_below <= sums;
      end
    end else begin : gen_wires
      assign sums_below = sums;
    end

    rst_adder_tree #(
      .INPUTS(Sums),
      .IN_BITS(SumBits),
      .FIRST_LEVEL(ristretto_pkg::FirstLevelExact),
      .TREE_REGS(TREE_REGS),
      .LEVEL(LEVEL + 1),
      .OUT_BITS(OUT_BITS),
      .EN_BITS(EN_BITS - EnBelow)
    ) u_tree (
      .clk_i,
      .en_i(en_i[EN_BITS-1:EnBelow]),
      .data_i(sums_below),
      .sum_o
    );
  end
endmodule
