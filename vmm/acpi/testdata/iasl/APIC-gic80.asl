[0004]                    Signature : "APIC"
[0004]                 Table Length : 00000120
[0001]                     Revision : 04
[0001]                     Checksum : 7C
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]           Local Apic Address : FEE00000
[0004]        Flags (decoded below) : 00000001
                         PC-AT Compatibility : 1

[0001]                Subtable Type : 0B
[0001]                       Length : 50
[0002]                     Reserved : 0000
[0004]         CPU Interface Number : 03020101
[0004]                Processor UID : 03020102
[0004]        Flags (decoded below) : 00000007
                           Processor Enabled : 1
          Performance Interrupt Trigger Mode : 1
          Virtual GIC Interrupt Trigger Mode : 1
[0004]     Parking Protocol Version : 03020103
[0004]        Performance Interrupt : 03020104
[0008]               Parked Address : 0706050403020105
[0008]                 Base Address : 0706050403020106
[0008]     Virtual GIC Base Address : 0706050403020107
[0008]  Hypervisor GIC Base Address : 0706050403020108
[0004]        Virtual GIC Interrupt : 03020109
[0008]   Redistributor Base Address : 070605040302010A
[0008]                    ARM MPIDR : 070605040302010B
[0001]             Efficiency Class : 0C
[0001]                     Reserved : 00
[0002]       SPE Overflow Interrupt : 010D

[0001]                Subtable Type : 0B
[0001]                       Length : 50
[0002]                     Reserved : 0000
[0004]         CPU Interface Number : 0302010F
[0004]                Processor UID : 03020110
[0004]        Flags (decoded below) : 00000006
                           Processor Enabled : 0
          Performance Interrupt Trigger Mode : 1
          Virtual GIC Interrupt Trigger Mode : 1
[0004]     Parking Protocol Version : 03020111
[0004]        Performance Interrupt : 03020112
[0008]               Parked Address : 0706050403020113
[0008]                 Base Address : 0706050403020114
[0008]     Virtual GIC Base Address : 0706050403020115
[0008]  Hypervisor GIC Base Address : 0706050403020116
[0004]        Virtual GIC Interrupt : 03020117
[0008]   Redistributor Base Address : 0706050403020118
[0008]                    ARM MPIDR : 0706050403020119
[0001]             Efficiency Class : 1A
[0001]                     Reserved : 00
[0002]       SPE Overflow Interrupt : 011B

[0001]                Subtable Type : 0C
[0001]                       Length : 18
[0002]                     Reserved : 0000
[0004]        Local GIC Hardware ID : 0302011D
[0008]                 Base Address : 070605040302011E
[0004]               Interrupt Base : 0302011F
[0001]                      Version : 20
[0003]                     Reserved : 000000

[0001]                Subtable Type : 0D
[0001]                       Length : 18
[0002]                     Reserved : 0000
[0004]                 MSI Frame ID : 03020121
[0008]                 Base Address : 0706050403020122
[0004]        Flags (decoded below) : 00000001
                                  Select SPI : 1
[0002]                    SPI Count : 0123
[0002]                     SPI Base : 0124

[0001]                Subtable Type : 0E
[0001]                       Length : 10
[0002]                     Reserved : 0000
[0008]                 Base Address : 0706050403020126
[0004]                       Length : 03020127

[0001]                Subtable Type : 0F
[0001]                       Length : 14
[0002]                     Reserved : 0000
[0004]               Translation ID : 03020129
[0008]                 Base Address : 070605040302012A
[0004]                     Reserved : 00000000
