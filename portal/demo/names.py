"""Names that go together: a family has one surname, and its first names come from where the surname does.

The pools exist to keep names coherent and have no label; which pool a name came from is stored nowhere.
First names that would meet a surname here and make a well-known person are left out.
"""

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

FEMALE, MALE = "female", "male"


@dataclass(frozen=True)
class Pool:
    """Surnames with the first names found beside them, and how many families of a hundred draw from here."""

    weight: int
    surnames: tuple[str, ...]
    men: tuple[str, ...]
    women: tuple[str, ...]

    def first_name(self, rng: Random, gender: str, but: Collection[str] = ()) -> str:
        """One that nobody in `but` has, as far as six attempts find one."""
        name = ""
        for _ in range(6):
            name = rng.choice(self.women if gender == FEMALE else self.men)
            if name not in but:
                break
        return name


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# fmt: off
POOLS = (
    Pool(30,
    _words("""
        Shah Shah Shah Patel Patel Patel Mehta Mehta Desai Joshi Parikh Vakharia Vora Sanghvi Doshi Kothari
        Trivedi Bhatt Pandya Dalal Kapadia Zaveri Sheth Thakkar Gala Chheda Gajjar Panchal Solanki Rathod"""),
    _words("""
        Rakesh Jayesh Hitesh Nilesh Mukesh Paresh Bhavesh Ketul Chirag Dhaval Hemal Jignesh Kalpesh Mehul Nimesh
        Pankaj Rajesh Sanjay Tejas Umesh Vipul Yash Harsh Parth Jatin Dev Manish Ashok Kirit Bharat Dinesh
        Hemant"""),
    _words("""
        Nisha Hetal Bhavna Kinjal Jigna Komal Mital Nehal Pooja Rupal Sejal Toral Urvi Vaishali Dipti Falguni
        Heena Jyoti Kalpana Lata Meena Nita Parul Rekha Sonal Tejal Varsha Khushi Riya Diya Hiral Krupa""")),
    Pool(26,
    _words("""
        Patil Patil Deshmukh Kulkarni Kulkarni Joshi Jadhav Pawar Shinde More Gaikwad Chavan Bhosale Kadam
        Sawant Deshpande Gokhale Apte Kale Mane Salunkhe Thorat Shelar Naik Rane Parab Mhatre Kamble Phadke Wagh"""),
    _words("""
        Sachin Amol Sandeep Prashant Nitin Mahesh Ganesh Santosh Rahul Swapnil Vishal Yogesh Ajay Abhijit Milind
        Sunil Shrikant Vikas Vinayak Omkar Aditya Rohan Tejas Atharva Sahil Kishor Mandar Prasad Sameer Anand
        Dilip Vijay"""),
    _words("""
        Sunita Savita Vandana Ashwini Pallavi Manisha Sarika Shilpa Snehal Swati Vaishali Yogita Archana Madhuri
        Medha Mrunal Neha Priyanka Rutuja Sayali Shruti Tanvi Aarti Anjali Asha Jayashree Kavita Mugdha Sneha
        Surekha""")),
    Pool(20,
    _words("""
        Sharma Sharma Gupta Gupta Singh Singh Verma Agarwal Agarwal Mishra Tiwari Pandey Yadav Jain Jain Bansal
        Goyal Mittal Saxena Srivastava Dubey Chauhan Rathore Khandelwal Maheshwari Jha Sinha Thakur Garg Arora"""),
    _words("""
        Amit Anil Arun Deepak Gaurav Manoj Naveen Pradeep Rajeev Ravi Sanjeev Sumit Vikram Vinod Vivek Abhishek
        Ankit Ashish Mohit Nikhil Pankaj Rakesh Saurabh Shubham Varun Alok Ajay Rajendra Suresh Lalit Kunal
        Arjun"""),
    _words("""
        Anita Geeta Kiran Madhu Neelam Poonam Rashmi Renu Ritu Seema Shalini Shweta Sudha Usha Preeti Priya
        Nidhi Megha Divya Ankita Swati Richa Sakshi Ishita Aditi Kavita Manju Mamta Vandana Payal Simran Garima""")),
    Pool(11,
    _words("""
        Khan Khan Shaikh Shaikh Ansari Qureshi Siddiqui Sayyed Pathan Memon Memon Merchant Contractor
        Lokhandwala Poonawala Kazi Mulla Momin Inamdar Mirza Farooqui Chunawala Attarwala Tinwala"""),
    _words("""
        Idris Ilyas Shakir Arif Asif Faisal Farhan Hamid Iqbal Javed Kamran Mansoor Nadeem Naeem Rashid Rizwan
        Sajid Salim Shahid Tariq Wasim Yunus Zafar Zubair Adil Anees Danish Feroz Huzefa Murtaza Taher Mustafa"""),
    _words("""
        Ayesha Farida Fatema Hina Nasreen Nazneen Parveen Rehana Rukhsana Sabina Salma Sana Shabnam Shaheen
        Shirin Tabassum Yasmin Zainab Zeenat Zoya Alfiya Arwa Batul Insiya Mariya Munira Sakina Tasneem""")),
    Pool(9,
    _words("""
        Iyer Iyer Nair Nair Menon Pillai Rao Rao Reddy Shetty Shetty Hegde Krishnan Subramanian Raman Natarajan
        Srinivasan Venkatesh Murthy Kamath Pai Bhat Poojary Naidu Chandran Warrier"""),
    _words("""
        Ramesh Suresh Ganesh Karthik Arvind Balaji Gopal Harish Keshav Mohan Murali Prakash Raghav Rajiv Sathish
        Shankar Sridhar Srinivas Sudhir Vasudev Venkat Vijay Vinay Anand Ashwin Naveen Pranav Rajan Siddharth
        Varun"""),
    _words("""
        Lakshmi Latha Meenakshi Nandini Padma Radha Revathi Shanthi Sowmya Sudha Uma Vani Vidya Anitha Bhavani
        Deepa Divya Gayathri Geetha Indira Janaki Kavitha Lalitha Malini Priya Ramya Sandhya Shobha Swathi""")),
    Pool(4,
    _words("""
        Fernandes Fernandes DSouza DSouza Pereira Rodrigues Pinto Lobo Mascarenhas Almeida Gomes Dias Braganza
        Coutinho Noronha Menezes Furtado Carvalho Rebello Sequeira"""),
    _words("""
        Anthony Brian Clive Denzil Edwin Francis Gavin Glenn Ivan Joel Kevin Lester Melvin Neil Oswald Peter
        Rohan Ryan Savio Trevor Walter Wilson Aaron Nigel Alister"""),
    _words("""
        Anita Bernadette Carol Delia Evelyn Fiona Glenda Hazel Ingrid Jennifer Karen Lavina Maria Natasha Olivia
        Priscilla Rachel Sandra Sharon Sheryl Teresa Valerie Wilma Melissa""")),
)
# fmt: on

_POOL_WEIGHTS = tuple(pool.weight for pool in POOLS)

FIRM_WORDS = _words(
    """Sunrise Omega Pinnacle Silverline Evergreen Metro Unity Galaxy Horizon Pioneer Classic Royal Star Vertex Zenith
    Apex Crystal Orient Eastern Western National Modern Supreme Global Bright Prime Delta Alpha Nova"""
)
TRADES = (
    ("Textiles", "textile trading"),
    ("Fabrics", "textile processing"),
    ("Plastics", "plastic goods manufacturing"),
    ("Packaging", "packaging material manufacturing"),
    ("Engineering Works", "engineering workshop"),
    ("Pharma Distributors", "medicine wholesale"),
    ("Electricals", "electrical goods shop"),
    ("Hardware", "hardware shop"),
    ("Logistics", "transport contractor"),
    ("Roadlines", "transport contractor"),
    ("Foods", "food processing"),
    ("Chemicals", "chemical storage"),
    ("Printers", "printing press"),
    ("Jewels", "jewellery showroom"),
    ("Furniture", "furniture showroom"),
    ("Infotech", "software office"),
    ("Consultants", "office"),
    ("Exports", "garment manufacturing"),
    ("Steel Traders", "metal trading"),
    ("Paper Mart", "paper godown"),
)


def pick_pool(rng: Random) -> Pool:
    return rng.choices(POOLS, _POOL_WEIGHTS)[0]


def firm_name(rng: Random, owner: str) -> tuple[str, str, str]:
    """A firm as (name, client type, trade), at times called after its owner: "Kothari Plastics", "Zenith Foods LLP"."""
    first = owner if rng.random() < 0.45 else rng.choice(FIRM_WORDS)
    if rng.random() < 0.2:
        first = f"{first} {rng.choice(FIRM_WORDS)}"
    word, trade = rng.choice(TRADES)
    ending, client_type = rng.choices(
        (("", "firm"), (" & Co", "firm"), (" LLP", "firm"), (" Pvt Ltd", "company")), (42, 14, 10, 34)
    )[0]
    return f"{first} {word}{ending}", client_type, trade


def misspelt(rng: Random, name: str) -> str:
    """The name as another colleague might type it: an initial, a doubled or swapped letter, the other order."""
    words = name.split()
    way = rng.randrange(5)
    if way == 0:
        return " ".join([f"{words[0][0]}.", *words[1:]])
    if way == 1:
        return " ".join([words[-1], *words[:-1]])
    if way == 2 and len(words) > 2:
        return f"{words[0]} {words[-1]}"
    place = rng.randrange(1, max(2, len(words[0]) - 1))
    first = words[0]
    if way == 3:
        return " ".join([first[:place] + first[place] + first[place:], *words[1:]])
    swapped = first[:place] + first[place + 1 : place + 2] + first[place] + first[place + 2 :]
    return " ".join([swapped, *words[1:]])
