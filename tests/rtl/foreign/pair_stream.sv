// A stream whose one data port carries both operands, and whose result shares its port with a flag.
// Asynchronous reset, active low.
module pair_stream #(
  parameter int W = 12,
  parameter int ACC_W = 30
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic [2*W-1:0]     s_data_i,   // {coefficient, sample}
  input  logic [1:0]         s_user_i,   // {last, valid}
  output logic               s_ready_o,
  output logic [ACC_W:0]     m_data_o,   // {overflow, sum}
  output logic               m_valid_o,
  input  logic               m_ready_i
);
  typedef struct packed {
    logic signed [W-1:0] coefficient;
    logic signed [W-1:0] sample;
  } pair_t;
  pair_t pair;
  logic stall, valid_q, last_q, first_q, overflow_q;
  logic signed [2*W-1:0] product_q;
  logic signed [ACC_W-1:0] acc_q;
  logic signed [ACC_W:0] next;

  assign pair = s_data_i;
  assign stall = m_valid_o && !m_ready_i;
  assign s_ready_o = !stall;
  assign next = (first_q ? (ACC_W+1)'(0) : (ACC_W+1)'(acc_q)) + (ACC_W+1)'(product_q);
  assign m_data_o = {overflow_q, acc_q};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      last_q <= 1'b0;
      first_q <= 1'b1;
      m_valid_o <= 1'b0;
      overflow_q <= 1'b0;
      acc_q <= '0;
    end else if (!stall) begin
      valid_q <= s_user_i[0];
      last_q <= s_user_i[1];
      product_q <= pair.coefficient * pair.sample;
      m_valid_o <= valid_q && last_q;
      if (valid_q) begin
        acc_q <= next[ACC_W-1:0];
        overflow_q <= next[ACC_W] != next[ACC_W-1];
        first_q <= last_q;
      end
    end
  end
endmodule
