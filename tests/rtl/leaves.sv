// The leaf modules of the array side by side, in several sizes each, for tests/rtl/leaves.cc. All
// instances of a kind share their inputs and take the low bits that they need; outputs are
// sign-extended to 64 bits and packed.
module leaves #(
  // Sizes: one row for each instance. The test repeats these tables.
  localparam int RequantizeSizes = 6,
  localparam int AccumulateSizes = 4,
  localparam int TreeSizes = 8,
  localparam int TreeWidths = 2,
  localparam int BufferSizes = 5,
  localparam int Requantizes = RequantizeSizes * 4 * 2,  // without and with scale and sign
  localparam int Accumulates = AccumulateSizes * 2,
  localparam int Trees = TreeSizes * TreeWidths * 6,
  localparam int Lanes = 3,
  localparam int ElementSizes = 7
) (
  input  logic                       clk_i,

  input  logic signed [47:0]         rq_acc_i,
  input  logic                       rq_relu_i,
  input  logic [15:0]                rq_scale_i,  // the instances without a scale take 1
  input  logic                       rq_unsigned_i,
  input  logic                       rq_lowest_i,
  input  logic signed [6:0]          rq_shift_i,
  input  logic [4:0]                 rq_out_bits_i,
  output logic [Requantizes*64-1:0]  rq_out_o,
  output logic [Requantizes-1:0]     rq_sat_o,

  input  logic signed [47:0]         ac_acc_i,
  input  logic signed [47:0]         ac_add_i,
  output logic [Accumulates*64-1:0]  ac_out_o,
  output logic [Accumulates-1:0]     ac_ovf_o,

  input  logic [64*32-1:0]           tr_data_i,
  input  logic [5:0]                 tr_en_i,
  output logic [Trees*64-1:0]        tr_sum_o,
  output logic [Trees*8-1:0]         tr_bits_o,

  input  logic                       bf_we_i,
  input  logic                       bf_whalf_i,
  input  logic [15:0]                bf_waddr_i,
  input  logic [7:0]                 bf_wcount_i,
  input  logic [255:0]               bf_wdata_i,
  input  logic                       bf_re_i,
  input  logic                       bf_rhalf_i,
  input  logic [15:0]                bf_raddr_i,
  output logic [BufferSizes*256-1:0] bf_rdata_o,

  input  logic signed [15:0]         pe_act_i,
  input  logic [15:0]                pe_wgt_i,
  output logic [ElementSizes*64-1:0] pe_out_o,

  input  logic                       ln_operand_en_i,
  input  logic                       ln_product_en_i,
  input  logic [2:0]                 ln_tree_en_i,
  input  logic                       ln_acc_en_i,
  input  logic                       ln_acc_first_i,
  input  logic                       ln_result_en_i,
  input  logic [19:0]                ln_act_i,    // 5 elements of 4 bits
  input  logic [14:0]                ln_wgt_i,    // 5 weights of 3 bits
  input  logic signed [11:0]         ln_bias_i,
  input  logic                       ln_direct_i,
  input  logic [4:0]                 ln_align_i,
  output logic [Lanes*64-1:0]        ln_out_o,
  output logic [Lanes-1:0]           ln_sat_o,
  output logic [Lanes-1:0]           ln_ovf_o,

  input  logic                       pm_en_i,
  input  logic                       pm_first_i,
  input  logic [15:0]                pm_data_i,
  output logic [15:0]                pm_max_o,
  output logic [15:0]                pm_max_unsigned_o,

  input  logic                       fc_en_i,
  input  logic                       fc_first_i,
  input  logic [6:0]                 fc_lanes_i,
  input  logic [63:0]                fc_flags_i,
  output logic [31:0]                fc_count_o,
  output logic [31:0]                fc_count_narrow_o
);
  function automatic int acc_bits(input int row);
    case (row)
      0: acc_bits = 6;
      1: acc_bits = 10;
      2: acc_bits = 17;
      3: acc_bits = 32;
      4: acc_bits = 48;
      default: acc_bits = 12;
    endcase
  endfunction

  function automatic int act_bits(input int row);
    case (row)
      0: act_bits = 4;
      1: act_bits = 5;
      2: act_bits = 7;
      3: act_bits = 8;
      4: act_bits = 16;
      default: act_bits = 1;
    endcase
  endfunction

  for (genvar w = 0; w < RequantizeSizes; w++) begin : gen_requantize
    for (genvar r = 0; r < 4; r++) begin : gen_rounding
      for (genvar k = 0; k < 2; k++) begin : gen_kind
        localparam int Number = (4 * w + r) * 2 + k;
        logic [act_bits(w)-1:0] result;
        logic sign;
        rst_requantize #(
          .AccBits(acc_bits(w)),
          .ActBits(act_bits(w)),
          .Rounding(r),
          .AveragePooling(k != 0),
          .UnsignedActivations(k != 0)
        ) u_requantize (
          .acc_i(rq_acc_i[acc_bits(w)-1:0]),
          .relu_i(rq_relu_i),
          .scale_i(rq_scale_i),
          .shift_i(rq_shift_i),
          .out_bits_i(rq_out_bits_i),
          .lowest_i(rq_lowest_i),
          .unsigned_i(rq_unsigned_i),
          .out_o(result),
          .sat_o(rq_sat_o[Number])
        );
        assign sign = result[act_bits(w)-1] && !(k == 1 && rq_unsigned_i);
        assign rq_out_o[64*Number +: 64] = {{(64-act_bits(w)){sign}}, result};
      end
    end
  end

  function automatic int sum_bits(input int row);
    case (row)
      0: sum_bits = 4;
      1: sum_bits = 7;
      2: sum_bits = 48;
      default: sum_bits = 20;
    endcase
  endfunction

  function automatic int add_bits(input int row);
    case (row)
      0: add_bits = 6;
      1: add_bits = 3;
      default: add_bits = 38;
    endcase
  endfunction

  for (genvar w = 0; w < AccumulateSizes; w++) begin : gen_accumulate
    for (genvar o = 0; o < 2; o++) begin : gen_overflow
      logic signed [sum_bits(w)-1:0] sum;
      rst_accumulate #(
        .AccBits(sum_bits(w)),
        .AddBits(add_bits(w)),
        .Overflow(o)
      ) u_accumulate (
        .acc_i(ac_acc_i[sum_bits(w)-1:0]),
        .add_i(ac_add_i[add_bits(w)-1:0]),
        .acc_o(sum),
        .ovf_o(ac_ovf_o[2*w+o])
      );
      assign ac_out_o[64*(2*w+o) +: 64] = 64'(sum);
    end
  end

  function automatic int tree_inputs(input int row);
    case (row)
      0: tree_inputs = 1;
      1: tree_inputs = 2;
      2: tree_inputs = 3;
      3: tree_inputs = 5;
      4: tree_inputs = 7;
      5: tree_inputs = 12;
      6: tree_inputs = 33;
      default: tree_inputs = 64;
    endcase
  endfunction

  for (genvar n = 0; n < TreeSizes; n++) begin : gen_tree_inputs
    for (genvar w = 0; w < TreeWidths; w++) begin : gen_tree_width
      for (genvar k = 0; k < 6; k++) begin : gen_tree_kind
        localparam int Inputs = tree_inputs(n);
        localparam int InBits = (w == 0) ? 3 : 32;
        localparam int Number = (n * TreeWidths + w) * 6 + k;
        localparam int OutBits = ristretto_pkg::tree_bits(Inputs, InBits, k % 2);
        localparam int EnBits = ristretto_pkg::max_of(ristretto_pkg::tree_stages(Inputs, k / 2), 1);
        logic [Inputs*InBits-1:0] data;
        logic signed [OutBits-1:0] sum;
        for (genvar i = 0; i < Inputs; i++) begin : gen_input
          assign data[i*InBits +: InBits] = tr_data_i[32*i +: InBits];
        end
        rst_adder_tree #(
          .Inputs(Inputs),
          .InBits(InBits),
          .FirstLevel(k % 2),
          .TreeRegisters(k / 2)
        ) u_tree (
          .clk_i,
          .en_i(tr_en_i[EnBits-1:0]),
          .data_i(data),
          .sum_o(sum)
        );
        assign tr_sum_o[64*Number +: 64] = 64'(sum);
        assign tr_bits_o[8*Number +: 8] = 8'($bits(sum));
      end
    end
  end

  function automatic int buffer_size(input int row, input int column);
    case (4 * row + column)  // width, depth, reads, writes
      0: buffer_size = 8;
      1: buffer_size = 64;
      2: buffer_size = 16;
      3: buffer_size = 16;
      4: buffer_size = 5;
      5: buffer_size = 77;
      6: buffer_size = 7;
      7: buffer_size = 12;
      8: buffer_size = 1;
      9: buffer_size = 9;
      10: buffer_size = 1;
      11: buffer_size = 1;
      12: buffer_size = 16;
      13: buffer_size = 40;
      14: buffer_size = 3;
      15: buffer_size = 8;
      16: buffer_size = 3;
      17: buffer_size = 5;
      18: buffer_size = 11;
      19: buffer_size = 2;
      default: buffer_size = 1;
    endcase
  endfunction

  for (genvar b = 0; b < BufferSizes; b++) begin : gen_buffer
    localparam int Width = buffer_size(b, 0);
    localparam int Depth = buffer_size(b, 1);
    localparam int Reads = buffer_size(b, 2);
    localparam int Writes = buffer_size(b, 3);
    localparam int Banks = (b == 3) ? 32 : 0;  // more than are needed, or as many
    localparam int AddrBits =
        ristretto_pkg::element_bits(Depth, ristretto_pkg::banks_of(Reads, Writes, Banks));
    localparam int CountBits = ristretto_pkg::index_bits(Writes + 1);
    logic [Reads*Width-1:0] data;
    rst_banked_buffer #(
      .Width(Width),
      .Depth(Depth),
      .Reads(Reads),
      .Writes(Writes),
      .Banks(Banks)
    ) u_buffer (
      .clk_i,
      .we_i(bf_we_i && 32'(bf_wcount_i) <= Writes),  // the others' runs come too
      .whalf_i(bf_whalf_i),
      .waddr_i(AddrBits'(bf_waddr_i)),
      .wcount_i(CountBits'(bf_wcount_i)),
      .wdata_i(bf_wdata_i[Writes*Width-1:0]),
      .re_i(bf_re_i),
      .rhalf_i(bf_rhalf_i),
      .raddr_i(AddrBits'(bf_raddr_i)),
      .rdata_o(data)
    );
    assign bf_rdata_o[256*b +: 256] = 256'(data);
  end

  // Processing elements: kind, activation bits, weight bits, zero code.
  function automatic int element_size(input int row, input int column);
    case (4 * row + column)
      0, 4, 8, 20: element_size = 0;
      12, 16, 24: element_size = 1;
      1: element_size = 8;
      2: element_size = 8;
      5: element_size = 1;
      6: element_size = 1;
      9: element_size = 5;
      10: element_size = 11;
      13: element_size = 8;
      14: element_size = 4;
      17: element_size = 7;
      18: element_size = 3;
      19: element_size = 1;
      21: element_size = 9;
      22: element_size = 2;
      25: element_size = 16;
      26: element_size = 5;
      27: element_size = 1;
      default: element_size = 0;
    endcase
  endfunction

  for (genvar e = 0; e < ElementSizes; e++) begin : gen_element
    localparam int Pe = element_size(e, 0);
    localparam int Act = element_size(e, 1);
    localparam int Wgt = element_size(e, 2);
    logic signed [ristretto_pkg::product_bits(Pe, Act, Wgt)-1:0] product;
    rst_pe #(
      .Pe(Pe),
      .ActBits(Act),
      .WgtBits(Wgt),
      .ZeroCode(element_size(e, 3) != 0)
    ) u_pe (
      .act_i(pe_act_i[Act-1:0]),
      .wgt_i(pe_wgt_i[Wgt-1:0]),
      .product_o(product)
    );
    assign pe_out_o[64*e +: 64] = 64'(product);
  end

  for (genvar t = 0; t < Lanes; t++) begin : gen_lane
    localparam int EnBits = ristretto_pkg::max_of(ristretto_pkg::tree_stages(5, t), 1);
    logic [3:0] result;
    rst_lane #(
      .Muls(5),
      .ActBits(4),
      .WgtBits(3),
      .AccBits(12),
      .Overflow(ristretto_pkg::OverflowSaturate),
      .FirstLevel(t % 2),
      .TreeRegisters(t),
      .Rounding(ristretto_pkg::RoundNearest),
      .AveragePooling(1'b0),
      .Lane(2 * t)
    ) u_lane (
      .clk_i,
      .operand_en_i(ln_operand_en_i),
      .wgt_i(ln_wgt_i),
      .product_en_i(ln_product_en_i),
      .act_i(ln_act_i),
      .direct_i(ln_direct_i),
      .align_i(ln_align_i),
      .tree_en_i(ln_tree_en_i[EnBits-1:0]),
      .acc_en_i(ln_acc_en_i),
      .acc_first_i(ln_acc_first_i),
      .bias_i(ln_bias_i),
      .result_en_i(ln_result_en_i),
      .relu_i(1'b0),
      .scale_i(16'd1),
      .shift_i(7'sd4),
      .out_bits_i(5'd4),
      .lowest_i(1'b0),
      .unsigned_i(1'b0),
      .ovf_o(ln_ovf_o[t]),
      .result_o(result),
      .sat_o(ln_sat_o[t])
    );
    assign ln_out_o[64*t +: 64] = 64'($signed(result));
  end

  rst_pool_max #(
    .ActBits(16),
    .UnsignedActivations(1'b1)
  ) u_pool_unsigned (
    .clk_i,
    .en_i(pm_en_i),
    .first_i(pm_first_i),
    .unsigned_i(1'b1),
    .data_i(pm_data_i),
    .max_o(pm_max_unsigned_o)
  );

  rst_pool_max #(.ActBits(16)) u_pool (
    .clk_i,
    .en_i(pm_en_i),
    .first_i(pm_first_i),
    .unsigned_i(1'b0),
    .data_i(pm_data_i),
    .max_o(pm_max_o)
  );

  rst_flag_count #(.Lanes(64)) u_count (
    .clk_i,
    .en_i(fc_en_i),
    .first_i(fc_first_i),
    .lanes_i(fc_lanes_i),
    .flags_i(fc_flags_i),
    .count_o(fc_count_o)
  );

  rst_flag_count #(.Lanes(5)) u_count_narrow (
    .clk_i,
    .en_i(fc_en_i),
    .first_i(fc_first_i),
    .lanes_i((fc_lanes_i < 7'd5) ? fc_lanes_i : 7'd5),
    .flags_i(fc_flags_i[4:0]),
    .count_o(fc_count_narrow_o)
  );
endmodule
